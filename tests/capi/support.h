/* What the tests of the C interface share: checks that go on after a failure, the objects of a
 * walk through the library, and a host's tables. Each test is a C11 program that links libhadal as
 * a user does; its first argument is a model file. */
#ifndef HADAL_TESTS_CAPI_SUPPORT_H
#define HADAL_TESTS_CAPI_SUPPORT_H

#include <hadal/hadal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Counts a failure and says where; test_result() is what main returns. */
#define EXPECT(fact) expect((fact) ? 1 : 0, #fact, __FILE__, __LINE__)
/* Calls a hadal_status function that must succeed; `error` is its last argument. */
#define MUST(call)                                     \
  do {                                                 \
    hadal_error* object_ = NULL;                       \
    hadal_error** error = &object_;                    \
    const hadal_status status_ = (call);               \
    must(status_, object_, #call, __FILE__, __LINE__); \
  } while (0)
/* Calls a hadal_status function that must fail so, with a message and a hint; then again without a
 * hadal_error. */
#define FAILS(wanted, call)                                            \
  do {                                                                 \
    hadal_error* object_ = NULL;                                       \
    hadal_error** error = &object_;                                    \
    const hadal_status first_ = (call);                                \
    error = NULL;                                                      \
    fails(wanted, first_, object_, (call), #call, __FILE__, __LINE__); \
  } while (0)
#define ANY_ERROR 1000 /* for FAILS: which one does not matter */

void expect(int fact, const char* text, const char* file, int line);
void must(hadal_status status, hadal_error* error, const char* text, const char* file, int line);
void fails(hadal_status wanted, hadal_status found, hadal_error* error, hadal_status again,
           const char* text, const char* file, int line);
int test_result(void);

/* Runtime, model, tokenizer and a greedy sampler; threads as HADAL_OPT_THREADS. */
struct walk {
  hadal_runtime* runtime;
  hadal_model* model;
  hadal_tokenizer* tokenizer;
  hadal_sampler* sampler;
};
void walk_begin(struct walk* walk, const char* path, int64_t threads, int64_t determinism);
void walk_end(struct walk* walk);

hadal_config* config_i64(int32_t key, int64_t value);
hadal_model* load_model(hadal_runtime* runtime, const char* path, const hadal_config* config);
hadal_session* new_session(hadal_model* model, const char* text);
hadal_request* start_generate(hadal_session* session, const hadal_sampler* sampler,
                              int64_t max_tokens);
/* Moves a request to its end, dropping its events; returns the last status. */
hadal_status run_to_end(hadal_request* request);
/* The next `n` greedy tokens of a session, through generate. Returns how many came. */
size_t generate_tokens(hadal_session* session, const hadal_sampler* sampler, int64_t n,
                       int32_t* tokens);

#endif
