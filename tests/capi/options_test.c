/* Every option: found by its name, described, set at its least, its greatest, its default and
 * beyond, and refused by objects of another scope. Usage: options_test MODEL */
#include "options.h"

#include <math.h>

#include "support.h"

static void test_i64(hadal_config* config, const hadal_option_desc* option) {
  const int32_t key = option->key;
  EXPECT(option->min_i64 <= option->default_i64 && option->default_i64 <= option->max_i64);
  MUST(hadal_config_set_i64(config, key, option->min_i64, error));
  MUST(hadal_config_set_i64(config, key, option->max_i64, error));
  MUST(hadal_config_set_i64(config, key, option->default_i64, error));
  if (option->min_i64 > INT64_MIN) {
    FAILS(HADAL_E_OUT_OF_RANGE, hadal_config_set_i64(config, key, option->min_i64 - 1, error));
  }
  if (option->max_i64 < INT64_MAX) {
    FAILS(HADAL_E_OUT_OF_RANGE, hadal_config_set_i64(config, key, option->max_i64 + 1, error));
  }
  FAILS(HADAL_E_OUT_OF_RANGE, hadal_config_set_f64(config, key, 1.0, error));
  FAILS(HADAL_E_OUT_OF_RANGE, hadal_config_set_str(config, key, "1", 1, error));
}

static void test_f64(hadal_config* config, const hadal_option_desc* option) {
  const int32_t key = option->key;
  EXPECT(option->min_f64 <= option->default_f64 && option->default_f64 <= option->max_f64);
  MUST(hadal_config_set_f64(config, key, option->min_f64, error));
  MUST(hadal_config_set_f64(config, key, option->max_f64, error));
  MUST(hadal_config_set_f64(config, key, option->default_f64, error));
  FAILS(HADAL_E_OUT_OF_RANGE,
        hadal_config_set_f64(config, key, nextafter(option->min_f64, -HUGE_VAL) - 1, error));
  FAILS(HADAL_E_OUT_OF_RANGE, hadal_config_set_f64(config, key, HUGE_VAL, error));
  FAILS(HADAL_E_OUT_OF_RANGE, hadal_config_set_f64(config, key, (double)NAN, error));
  FAILS(HADAL_E_OUT_OF_RANGE, hadal_config_set_i64(config, key, 1, error));
  FAILS(HADAL_E_OUT_OF_RANGE, hadal_config_set_str(config, key, "1", 1, error));
}

static void test_str(hadal_config* config, const hadal_option_desc* option) {
  const int32_t key = option->key;
  EXPECT(option->default_str != NULL);
  MUST(hadal_config_set_str(config, key, option->default_str, strlen(option->default_str), error));
  FAILS(HADAL_E_OUT_OF_RANGE, hadal_config_set_i64(config, key, 1, error));
  FAILS(HADAL_E_OUT_OF_RANGE, hadal_config_set_f64(config, key, 1.0, error));
}

/* The object that a scope's options are for takes them; the sampler refuses those of others. */
static void test_scope(hadal_runtime* runtime, const hadal_option_desc* option) {
  hadal_config* config = NULL;
  hadal_sampler* sampler = NULL;
  MUST(hadal_config_create(&config, error));
  if (option->type == HADAL_TYPE_I64) {
    MUST(hadal_config_set_i64(config, option->key, option->default_i64, error));
  } else if (option->type == HADAL_TYPE_F64) {
    MUST(hadal_config_set_f64(config, option->key, option->default_f64, error));
  } else {
    MUST(hadal_config_set_str(config, option->key, option->default_str, strlen(option->default_str),
                              error));
  }
  if (option->scope == HADAL_SCOPE_SAMPLER) {
    MUST(hadal_sampler_create(runtime, config, &sampler, error));
    hadal_sampler_free(sampler);
  } else {
    FAILS(HADAL_E_UNKNOWN_OPTION, hadal_sampler_create(runtime, config, &sampler, error));
  }
  hadal_config_free(config);
}

static void test_option(hadal_runtime* runtime, int32_t key, const char* name, int32_t type) {
  int32_t found = 0;
  hadal_config* config = NULL;
  hadal_option_desc option = {.struct_size = sizeof option};
  MUST(hadal_option_find(name, strlen(name), &found, error));
  EXPECT(found == key);
  MUST(hadal_option_describe(key, &option, error));
  EXPECT(option.key == key && option.type == type && strcmp(option.name, name) == 0);
  EXPECT(option.since == HADAL_ABI_VERSION && option.summary && option.summary[0]);
  const int32_t scopes[] = {0,
                            HADAL_SCOPE_RUNTIME,
                            HADAL_SCOPE_MODEL,
                            HADAL_SCOPE_SESSION,
                            HADAL_SCOPE_SAMPLER,
                            HADAL_SCOPE_REQUEST,
                            HADAL_SCOPE_CONVERT};
  const int is_limit = key >= 900;
  EXPECT(is_limit ? option.scope == HADAL_SCOPE_MODEL || option.scope == HADAL_SCOPE_SESSION
                  : option.scope == scopes[key / 100]);
  MUST(hadal_config_create(&config, error));
  if (type == HADAL_TYPE_I64) test_i64(config, &option);
  if (type == HADAL_TYPE_F64) test_f64(config, &option);
  if (type == HADAL_TYPE_STR) test_str(config, &option);
  hadal_config_free(config);
  test_scope(runtime, &option);
}

/* A caller built with a newer, longer struct gets zeros beyond what this library knows and nothing
 * beyond its own size; one with a struct shorter than any that was published is refused. */
static void test_sizes_of_structs(void) {
  struct {
    hadal_option_desc known;
    uint64_t newer, canary;
  } option;
  memset(&option, 0x5a, sizeof option);
  option.known.struct_size = sizeof option.known + sizeof option.newer;
  MUST(hadal_option_describe(HADAL_OPT_TOP_K, &option.known, error));
  EXPECT(option.known.struct_size == sizeof option.known + sizeof option.newer);
  EXPECT(option.known.key == HADAL_OPT_TOP_K && option.newer == 0);
  EXPECT(option.canary == 0x5a5a5a5a5a5a5a5a);
  option.known.struct_size = sizeof option.known - 8;
  FAILS(HADAL_E_INVALID_ARGUMENT, hadal_option_describe(HADAL_OPT_TOP_K, &option.known, error));
}

int main(int argc, char** argv) {
  hadal_runtime* runtime = NULL;
  hadal_config* config = config_i64(HADAL_OPT_THREADS, 0);
  int32_t key = 0;
  (void)argc, (void)argv;
  MUST(hadal_runtime_create(config, &runtime, error));
#define TEST_OPTION(option, name, type) test_option(runtime, option, name, type);
  HADAL_OPTIONS(TEST_OPTION)
  FAILS(HADAL_E_NOT_FOUND, hadal_option_find("temperatur", 10, &key, error));
  FAILS(HADAL_E_NOT_FOUND, hadal_option_find("", 0, &key, error));
  FAILS(HADAL_E_UNKNOWN_OPTION, hadal_config_set_i64(config, 102, 1, error));
  test_sizes_of_structs();
  hadal_config_free(config);
  hadal_runtime_free(runtime);
  return test_result();
}
