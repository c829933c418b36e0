"""`python -m workbench [HOST] [--snapshot OUT.png] [--size WxH] [--module NAME] [--for-module TEXT]`"""

from .program import main

main()
