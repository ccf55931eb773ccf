"""How the bytes lie on the medium. `FORMAT.md` beside this file describes every one of them."""
