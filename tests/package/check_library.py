#!/usr/bin/env python3
"""Looks at libhadal.so and at the objects it was linked from, as a host sees them.

  check_library.py --library FILE --objects FILE [--release]

--objects names a file with the path of one object a line. --release adds what only the library to
ship promises: which libraries it needs, and its size.
"""

import argparse
import os
import re
import subprocess
import sys
import tempfile

MAY_NEED = {'libc.so.6', 'libm.so.6', 'libstdc++.so.6', 'libgcc_s.so.1', 'ld-linux-x86-64.so.2'}
MOST_BYTES = 12_000_000
# What Debian 12 has; a program built there runs wherever these are found.
NEWEST = {'GLIBC': (2, 36), 'GLIBCXX': (3, 4, 30), 'CXXABI': (1, 3, 13)}

# A library in somebody else's process does none of this: ends it, writes to its terminal, reads its
# environment, changes what belongs to all of it.
BANNED = re.compile(r'''^(?:
    abort|exit|_exit|_Exit|quick_exit|atexit|__cxa_atexit|_ZSt9terminatev|__assert_fail|__assert
  | (?:__)?(?:f|d|v|vf|vd)?printf(?:_chk)?|puts|fputs|putchar|putc|fputc|perror|fwrite
  | stdout|stderr|_ZSt4cout|_ZSt4cerr|_ZSt4clog
  | getenv|secure_getenv|setenv|putenv|unsetenv|environ|setlocale|uselocale|newlocale|localeconv
  | signal|sigaction|sigprocmask|raise|kill|system|popen|fork|vfork|execve?|chdir|fchdir|umask
  | srand|rand|random|srandom|sleep|usleep
  | strtod|strtof|strtold|strtol|strtoul|strtoll|strtoull|atoi|atof|sscanf|__isoc99_sscanf
  | fesetround|fesetenv|feenableexcept
  )$''', re.X)
# (end of the object's name, symbol) and why that is harmless.
JSON = """nlohmann-json's lexer asks for the locale's decimal point, so as not to depend on it, and
 converts numbers whose spelling it has checked."""
THREAD = "The destructor of std::thread, in its header, ends a program that forgot to join; we join."
FLOATS = """Set for the time of our own work on a host's thread, and put back before it returns."""
ALLOWED = {
    ('lib/base/float_environment.cpp.o', 'fesetenv'): FLOATS,
    ('lib/base/json.cpp.o', 'localeconv'): JSON,
    ('lib/base/json.cpp.o', 'strtod'): JSON,
    ('lib/base/json.cpp.o', 'strtoll'): JSON,
    ('lib/base/json.cpp.o', 'strtoull'): JSON,
    ('lib/checkpoint/tokenizer_json.cpp.o', 'localeconv'): JSON,
    ('lib/base/thread_pool.cpp.o', '_ZSt9terminatev'): THREAD,
    ('lib/session/runtime.cpp.o', '_ZSt9terminatev'): THREAD,
}

# AVX and later are written with a v in front; BMI and FMA have names of their own.
ABOVE_FLOOR = re.compile(r'\s(?:v(?!err|erw|mcall)\w+|andn|bextr|blsi|blsr|blsmsk|bzhi|mulx|pdep|'
                         r'pext|rorx|sarx|shlx|shrx)\s|%[yz]mm')
# The only folders compiled for more than the least machine; chosen at run time.
DISPATCHED = re.compile(r'backends/cpu/isa/(avx2|avx_vnni|avx512|avx512_bf16|neon)/')


def run(*command):
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def needed(library):
    return set(re.findall(r'\(NEEDED\).*\[(.*)\]', run('readelf', '-dW', library)))


def check_needed(library):
    for name in sorted(needed(library) - MAY_NEED):
        yield 'needs %s' % name


def check_versions(library):
    newest = {}
    for name, version in re.findall(r'\b(GLIBC|GLIBCXX|CXXABI)_([\d.]+)', run('readelf', '-VW', library)):
        newest[name] = max(newest.get(name, (0,)), tuple(map(int, version.split('.'))))
    for name, version in sorted(newest.items()):
        print('newest %s: %s' % (name, '.'.join(map(str, version))))
        if version > NEWEST[name]:
            yield 'needs %s %s, newer than Debian 12' % (name, version)


def check_size(library):
    with tempfile.TemporaryDirectory() as folder:
        stripped = os.path.join(folder, 'stripped')
        run('strip', '-o', stripped, library)
        size = os.path.getsize(stripped)
    print('stripped size: %d bytes' % size)
    if size > MOST_BYTES:
        yield 'stripped size is %d bytes, more than %d' % (size, MOST_BYTES)


def check_hardening(library):
    dynamic, program = run('readelf', '-dW', library), run('readelf', '-lW', library)
    if 'NOW' not in dynamic:
        yield 'is not linked with -z now'
    if 'GNU_RELRO' not in program:
        yield 'is not linked with -z relro'
    if re.search(r'GNU_STACK.*RWE', program):
        yield 'wants an executable stack'
    if 'TEXTREL' in dynamic:
        yield 'has text relocations'
    # A unique symbol keeps the library mapped for ever after dlclose.
    if re.search(r'\bUNIQUE\b', run('readelf', '--dyn-syms', '-W', library)):
        yield 'exports a unique symbol'


def check_start_up(library):
    # Eight bytes are the C runtime's own entry (frame_dummy), which every library has.
    match = re.search(r'\.init_array\s+INIT_ARRAY\s+\w+\s+\w+\s+(\w+)', run('readelf', '-SW', library))
    size = int(match.group(1), 16) if match else 0
    print('.init_array: %d bytes' % size)
    if size > 8:
        yield '.init_array has %d bytes: something runs when the library is loaded' % size


def check_object(path, name):
    sections = run('readelf', '-SW', path)
    if re.search(r'\.(init_array|ctors|fini_array|dtors|preinit_array)\b', sections):
        yield '%s: a static constructor or destructor' % name
    for symbol in run('nm', '--undefined-only', '--format=just-symbols', path).split():
        symbol = symbol.split('@')[0]
        if BANNED.match(symbol) and not any(
                name.endswith(end) and symbol == allowed for end, allowed in ALLOWED):
            yield '%s: uses %s' % (name, symbol)
    if DISPATCHED.search(name):
        return
    for line in run('objdump', '-d', '--no-show-raw-insn', path).splitlines():
        if ABOVE_FLOOR.search(line):
            yield '%s: above the least machine: %s' % (name, ' '.join(line.split()))
            return


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--library', required=True)
    parser.add_argument('--objects', required=True)
    parser.add_argument('--release', action='store_true')
    arguments = parser.parse_args()
    library = arguments.library
    print('NEEDED: ' + ' '.join(sorted(needed(library))))
    problems = []
    for check in [check_versions, check_hardening, check_start_up] + (
            [check_needed, check_size] if arguments.release else []):
        problems += ['%s: %s' % (os.path.basename(library), text) for text in check(library)]
    with open(arguments.objects, encoding='utf-8') as file:
        objects = file.read().split()
    if len(objects) < 20:
        problems.append('only %d objects to look at' % len(objects))
    for path in objects:
        name = re.sub(r'^.*CMakeFiles/hadal_\w+\.dir/', '', path)
        problems += check_object(path, name)
    print('%d objects' % len(objects))
    for problem in problems:
        print('not so: ' + problem)
    sys.exit(1 if problems else 0)


if __name__ == '__main__':
    main()
