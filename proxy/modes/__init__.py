"""The modes of tables, as people change them: in the file, whole or not at all.

file    a file is changed whole or not at all
switch  promotions and rollbacks, step by step
patch   how to make a change that cannot be made from here
"""
