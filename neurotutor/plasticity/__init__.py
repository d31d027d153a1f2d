"""How could a brain learn it?"""
