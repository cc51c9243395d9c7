"""Breaks hadal.h in one way after another and wants abi.py to notice. Usage: abi_test.py SOURCE"""

import importlib
import os
import re
import sys
import unittest

SOURCE = sys.argv.pop(1)
sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(SOURCE, 'capi'))
abi_header = importlib.import_module('abi_header')
abi_products = importlib.import_module('abi_products')
with open(os.path.join(SOURCE, 'include/hadal/hadal.h'), encoding='utf-8') as header_file:
    HEADER = header_file.read()


class AbiHeaderTest(unittest.TestCase):
    def refuses(self, message, *changes):
        text = HEADER
        for before, after in changes:
            self.assertEqual(text.count(before), 1, before)
            text = text.replace(before, after)
        with self.assertRaisesRegex(abi_header.HeaderError, message):
            abi_header.Header(text)

    def adds(self, message, line):
        self.refuses(message, ('#endif /* HADAL_H */', line + '\n#endif /* HADAL_H */'))

    def test_the_header_itself_keeps_the_rules(self):
        header = abi_header.Header(HEADER)
        self.assertGreater(len(header.functions), 50)
        self.assertEqual(len(header.structs), len(re.findall(r'typedef struct \w+ \{', HEADER)))

    def test_every_function_has_a_thread_tag(self):
        self.refuses('no thread tag', ('hadal_config* config); /* [one] */', 'hadal_config* config);'))

    def test_status_and_error_come_together(self):
        self.adds('if and only if', 'HADAL_API hadal_status hadal_model_warm(void); /* [any] */')
        self.adds('if and only if',
                  'HADAL_API void hadal_model_warm(hadal_model* model, hadal_error** error); /* [one] */')

    def test_a_text_brings_its_size(self):
        self.adds('not followed by size_t key_size',
                  'HADAL_API const char* hadal_model_word(hadal_model* model, const char* key); /* [any] */')

    def test_an_array_brings_its_size(self):
        self.adds('not followed by size_t n_tokens',
                  'HADAL_API uint64_t hadal_model_sum(hadal_model* model, const int32_t* tokens); /* [any] */')

    def test_an_output_array_brings_capacity_and_size(self):
        self.adds('output array', 'HADAL_API hadal_status hadal_model_fill(hadal_model* model, '
                  'float* values, size_t n_values, hadal_error** error); /* [any] */')

    def test_a_struct_that_is_written_comes_last(self):
        self.adds('stands last', 'HADAL_API const char* hadal_model_line(const hadal_model* model, '
                  'hadal_op_profile* out, size_t index); /* [any] */')

    def test_a_const_handle_may_be_used_by_any_thread(self):
        self.adds('so the tag is .any.',
                  'HADAL_API uint64_t hadal_model_size(const hadal_model* model); /* [one] */')

    def test_names_are_object_and_verb(self):
        self.adds('not hadal_<object>_<verb>', 'HADAL_API uint64_t hadal_now(void); /* [any] */')

    def test_types_come_from_a_closed_set(self):
        for kind in ('long', 'bool', 'struct hadal_event', 'unsigned int', 'hadal_unknown*'):
            self.adds('closed set|not a function|unexpected',
                      'HADAL_API void hadal_model_take(hadal_model* model, %s x); /* [any] */' % kind)

    def test_comments_are_those_of_c89(self):
        self.adds('unexpected', '// a comment')

    def test_no_declaration_depends_on_a_condition(self):
        self.adds('not on the list', '#ifdef HADAL_EXTRA\n#endif')
        self.refuses('depends on a condition', (
            '#ifdef __cplusplus\n}', '#ifdef __cplusplus\nHADAL_API void hadal_model_x(void); }'))

    def test_enum_values_are_written_out_and_keys_unique(self):
        self.refuses('written out', ('HADAL_PENDING = 1', 'HADAL_PENDING = HADAL_OK'))
        self.refuses('two options', ('HADAL_OPT_MMAP = 201', 'HADAL_OPT_MMAP = 200'))

    def test_structs_have_a_size_and_no_padding(self):
        self.refuses('struct_size', ('typedef struct hadal_event { /* written by us */\n'
                                     '  uint32_t struct_size; ', 'typedef struct hadal_event { /* */\n'
                                     '  uint32_t size; '))
        self.refuses('padding', ('  uint64_t sequence;       /* 0', '  int32_t odd; uint64_t sequence; /* 0'))

    def test_versions_agree(self):
        self.refuses('HADAL_ABI_VERSION', ('0x00000001u', '0x00000002u'))

    def test_a_new_function_gets_a_node_of_its_own(self):
        text = HEADER.replace('0x00000001u', '0x00000002u').replace('"0.1.0"', '"0.2.0"').replace(
            '#endif /* HADAL_H */', '/* since 0.2. [any] */\nHADAL_API uint64_t hadal_model_size('
            'const hadal_model* model);\n#endif /* HADAL_H */')
        exports = abi_products.hadal_map(abi_header.Header(text))
        self.assertIn('HADAL_0.2 {\n  global:\n    hadal_model_size;\n} HADAL_0.1;\n', exports)
        self.assertEqual(exports.count('local: *;'), 1)


if __name__ == '__main__':
    unittest.main()
