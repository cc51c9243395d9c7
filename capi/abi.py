#!/usr/bin/env python3
"""Keeps hadal.h, the shared library, hadal.hpp and the files generated from the header in step.

  capi/abi.py --write                    writes hadal.map, symbols-in-versions, tests/capi/*
  capi/abi.py --check [--library FILE]   fails if any of them is out of date, if the header breaks a
                                         rule, if clang reads it differently, if hadal.hpp lacks a
                                         function, or if FILE exports anything else
"""

import argparse
import json
import os
import re
import shutil
import subprocess
import sys

sys.dont_write_bytecode = True
import abi_header  # noqa: E402
import abi_products  # noqa: E402

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


def read(path):
    try:
        with open(os.path.join(ROOT, path), encoding='utf-8') as file:
            return file.read()
    except FileNotFoundError:
        return ''


def vanished(header, after):
    """Names of released versions that are gone or changed: a promise that would be broken."""
    current = abi_products.since_of(header)
    kept = set(after.splitlines())
    for line in read('capi/symbols-in-versions').splitlines():
        if line and not line.startswith('#') and line.split()[0] != current and line not in kept:
            yield 'released name vanished or changed: ' + line


def plain(kind):
    """A type as clang and our parser both write it."""
    return re.sub(r'\s*([*(),])\s*', r'\1', kind).replace('(void)', '()')


def second_opinion(header):
    """Compares functions, constants and members with what clang reads."""
    clang = shutil.which('clang-14') or shutil.which('clang')
    if not clang:
        print('abi.py: no clang here, so no second opinion on the header')
        return
    path = os.path.join(ROOT, 'include/hadal/hadal.h')
    dump = subprocess.run([clang, '-x', 'c', '-std=c99', '-fsyntax-only', '-Xclang',
                           '-ast-dump=json', path], check=True, capture_output=True).stdout
    ours, theirs = {}, {}
    for f in header.functions:
        ours[f.name] = plain('%s(%s)' % (f.returns, ','.join(p.type for p in f.parameters)))
    for c in header.constants:
        ours[c.name] = str(c.value)
    for s in header.structs:
        for m in s.members:
            ours[s.name + '.' + m.name] = plain(m.type)
    for node in json.loads(dump)['inner']:
        name = node.get('name', '')
        if node['kind'] == 'FunctionDecl' and name.startswith('hadal'):
            theirs[name] = plain(node['type']['qualType'])
        if node['kind'] == 'RecordDecl' and name.startswith('hadal_'):
            for field in node.get('inner', []):
                if field['kind'] == 'FieldDecl':
                    theirs[name + '.' + field['name']] = plain(field['type']['qualType'])
        if node['kind'] == 'EnumDecl':
            for constant in node.get('inner', []):
                if constant['name'].startswith('HADAL_'):
                    theirs[constant['name']] = constant['inner'][0]['value']
    for name in sorted(set(ours) | set(theirs)):
        if ours.get(name) != theirs.get(name):
            yield 'clang reads %s as %s, abi.py as %s' % (name, theirs.get(name), ours.get(name))


def wrapper_gaps(header):
    code = re.sub(r'//[^\n]*', '', read('include/hadal/hadal.hpp'))
    for function in header.functions:
        if not re.search(r'\b%s\b' % function.name, code):
            yield 'hadal.hpp lacks ' + function.name


def exports(header, library):
    """Compares the dynamic symbols of the library, nodes included, with the header."""
    listed = subprocess.run(['nm', '-D', '--with-symbol-versions', '--defined-only', library],
                            check=True, capture_output=True, text=True).stdout
    found = {line.split()[2] for line in listed.splitlines()}
    wanted = {'HADAL_' + f.since for f in header.functions} | {
        '%s@@HADAL_%s' % (f.name, f.since) for f in header.functions}
    # The nodes themselves are listed as absolute symbols, with their own name as version.
    found = {re.sub(r'^(HADAL_[\d.]+)@@\1$', r'\1', name) for name in found}
    for name in sorted(wanted - found):
        yield '%s does not export %s' % (library, name)
    for name in sorted(found - wanted):
        yield '%s exports %s, which is not in hadal.h' % (library, name)


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    mode = parser.add_mutually_exclusive_group(required=True)
    mode.add_argument('--check', action='store_true')
    mode.add_argument('--write', action='store_true')
    parser.add_argument('--library', help='libhadal.so to compare with the header')
    arguments = parser.parse_args()
    try:
        header = abi_header.Header(read('include/hadal/hadal.h'))
        products = abi_products.products(header, read)
    except abi_header.HeaderError as error:
        sys.exit('abi.py: %s' % error)
    problems = list(vanished(header, products['capi/symbols-in-versions']))
    if arguments.write and not problems:
        for path, text in products.items():
            with open(os.path.join(ROOT, path), 'w', encoding='utf-8') as file:
                file.write(text)
    if arguments.check:
        problems += ['%s is out of date: capi/abi.py --write' % path
                     for path, text in products.items() if read(path) != text]
        problems += second_opinion(header)
        problems += wrapper_gaps(header)
        if arguments.library:
            problems += exports(header, arguments.library)
    for problem in problems:
        print('abi.py: ' + problem)
    sys.exit(1 if problems else 0)


if __name__ == '__main__':
    main()
