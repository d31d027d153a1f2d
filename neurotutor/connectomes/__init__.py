"""Who drives whom?"""
