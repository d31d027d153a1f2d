# Every command is also a plain one: python -m book.tools {book,test,chapter NAME,lint,serve,clean}
PYTHON ?= python3
NAME ?=
PORT ?= 8000
TOOLS := .venv/bin/python -m book.tools

.PHONY: help book test chapter student instructor lint serve environment clean
help:
	@echo "make book               build the site in _build/html"
	@echo "make test               style, unit tests, notebooks, structure, site in a browser"
	@echo "make chapter NAME=hiwa  execute and render one chapter"
	@echo "make student            notebooks with open exercises, in _build/notebooks/student"
	@echo "make instructor         solved notebooks with teaching notes, and a course for nbgrader"
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

student: environment
	@$(TOOLS) student

instructor: environment
	@$(TOOLS) instructor

lint: environment
	@$(TOOLS) lint

serve: environment
	@$(TOOLS) serve --port $(PORT)

clean:
	@rm -rf _build .venv && echo "removed _build and .venv"
