"""`python -m workbench [HOST] [--snapshot OUT.png] [--size WxH] [--module NAME]`"""

from .program import main

main()
