# Every command is also a plain one: python -m book.tools {book,test,chapter NAME,lint,serve,clean}
PYTHON ?= python3
NAME ?=
PORT ?= 8000
TOOLS := .venv/bin/python -m book.tools

.PHONY: help bench book test chapter lint serve environment clean
help:
	@echo "make book               build the site in _build/html"
	@echo "make test               style, unit tests, notebooks, structure, site in a browser"
	@echo "make chapter NAME=hiwa  execute and render one chapter"
	@echo "make bench NAME=tpc     compare with other libraries (without NAME: every chapter)"
	@echo "make serve              serve the built site on this machine"
	@echo "make clean              remove what was built"

environment:
	@$(PYTHON) book/tools/environment.py

book: environment
	@$(TOOLS) book

test: environment
	@$(TOOLS) test

chapter: environment
	@test -n "$(NAME)" || { echo "say which one: make chapter NAME=hiwa"; exit 2; }
	@$(TOOLS) chapter $(NAME)

lint: environment
	@$(TOOLS) lint

bench: environment
	@$(TOOLS) bench $(NAME)

serve: environment
	@$(TOOLS) serve --port $(PORT)

clean:
	@rm -rf _build .venv .venv-bench && echo "removed _build and the environments"
