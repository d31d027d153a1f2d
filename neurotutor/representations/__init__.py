"""What is a population of neurons saying?"""
