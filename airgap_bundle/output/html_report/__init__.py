"""The page of what stands inside: pure functions from `core.inside_report` values to one HTML document.

It loads nothing, runs nothing and links to nothing but its own sections. Whatever is text is escaped where it becomes
markup (`markup`), so no value has to be trusted.
"""
