#!/usr/bin/env python3
"""Looks at a module (libhadal_<name>.so) as check_library.py does at the library.

  check_module.py --module FILE [--release]

It exports one symbol, is hardened as the library, and does not read the environment. It may have
what oneDNN brings: static tables that are filled when it is loaded, buffers of formatted text.
--release: it needs no library that the library to ship does not need.
"""

import argparse
import os
import re
import sys

import check_library

# Not abort: Abseil has it for what cannot happen, here as in the library.
BANNED = re.compile(r'^(?:getenv|secure_getenv|exit|_exit|printf|puts|__printf_chk|__fprintf_chk|'
                    r'signal|sigaction|setenv|putenv|fork|system)$')


def symbols(module, which):
    lines = check_library.run('nm', '-D', which, '--format=just-symbols', module).split()
    return {line.split('@')[0] for line in lines}


def check_symbols(module):
    exported = symbols(module, '--defined-only') - {'', 'hadal_module'}
    for symbol in sorted(exported):
        yield 'exports %s' % symbol
    for symbol in sorted(filter(BANNED.match, symbols(module, '--undefined-only'))):
        yield 'uses %s' % symbol


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--module', required=True)
    parser.add_argument('--release', action='store_true')
    arguments = parser.parse_args()
    module = arguments.module
    print('NEEDED: ' + ' '.join(sorted(check_library.needed(module))))
    problems = []
    for check in [check_symbols, check_library.check_versions, check_library.check_hardening] + (
            [check_library.check_needed, check_library.check_size] if arguments.release else []):
        problems += ['%s: %s' % (os.path.basename(module), text) for text in check(module)]
    for problem in problems:
        print('not so: ' + problem)
    sys.exit(1 if problems else 0)


if __name__ == '__main__':
    main()
