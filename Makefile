# Every command is also a plain one: python -m book.tools COMMAND
PYTHON ?= python3
NAME ?=
PORT ?= 8000
TOOLS := .venv/bin/python -m book.tools

.PHONY: help book test site pdf student instructor chapter paper bench lint serve environment clean
help:
	@echo "make book               build the site in _build/html"
	@echo "make test               style, unit tests, notebooks, structure, site in a browser"
	@echo "make site               the book, the PDF and what a web host needs, in _build/site"
	@echo "make pdf                print the whole book into _build/pdf/neurotutor.pdf"
	@echo "make chapter NAME=hiwa  execute and render one chapter"
	@echo "make paper NAME=hiwa    run one chapter at the paper's scale and record it (wants a GPU)"
	@echo "make bench NAME=tpc     compare with other libraries (without NAME: every chapter)"
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

site: environment
	@$(TOOLS) site

pdf: environment
	@$(TOOLS) pdf

chapter: environment
	@test -n "$(NAME)" || { echo "say which one: make chapter NAME=hiwa"; exit 2; }
	@$(TOOLS) chapter $(NAME)

paper: environment
	@test -n "$(NAME)" || { echo "say which one: make paper NAME=hiwa"; exit 2; }
	@$(TOOLS) paper $(NAME)

student: environment
	@$(TOOLS) student

instructor: environment
	@$(TOOLS) instructor

lint: environment
	@$(TOOLS) lint

bench: environment
	@$(TOOLS) bench $(NAME)

serve: environment
	@$(TOOLS) serve --port $(PORT)

clean:
	@rm -rf _build .venv .venv-bench && echo "removed _build and the environments"
