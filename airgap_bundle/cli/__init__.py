"""The three commands. A command parses options, calls one function, and hands the result to a renderer."""
