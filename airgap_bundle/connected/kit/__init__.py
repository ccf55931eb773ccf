"""The toolkit crosses too: a directory with this toolkit and its dependencies, which installs without a network.

`targets` says for which machines, `closure` what they need, `own_wheel` and `wheels` where it comes from, `documents`
and `readme` what a person inside reads, `standalone` makes the one executable, `place` is where it all grows, and
`making` puts it together. Design section 9.
"""
