"""Reports: the same findings for a terminal, for programs, for a job page, and for those who read Autobahn's.

`words` says what all of them say of a case, and `conversation` decodes what passed; each other module is one form, but
for `sheet` and `talk`, which are what stands on the page of `html`.
"""
