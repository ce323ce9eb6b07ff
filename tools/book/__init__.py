"""The book: the chapters and what belongs to them as a site, made by Sphinx.

pages.py gathers the pages and turns links between files into links between pages; sources.py,
filemap.py, checks.py and drawings.py make the pages and pictures that come from the code itself;
excerpts.py keeps what the chapters quote from it. book/conf.py is Sphinx's part.
"""
