"""The template's own start: ``python -I -S …/supervisor/__main__.py PID``, with the door as descriptor 3.

Isolated from its owner's Python environment, and started by path: the package is found from here.
"""

import sys
from os.path import dirname, realpath

if __name__ == "__main__":
    # Behind the standard library's: what else lies beside the package must not stand for a module of that.
    sys.path.append(dirname(dirname(dirname(realpath(__file__)))))
    from pyopenshell.supervisor.cradle import Cradle

    # Before anything else is imported: what the cradle has in memory, every supervisor has.
    cradle = Cradle()
    from pyopenshell.supervisor.template import main

    main(int(sys.argv[1]), cradle)
