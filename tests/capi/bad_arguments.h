/* What the generated bad_arguments.c needs: good objects, freed ones, and ways to call. */
#ifndef HADAL_TESTS_CAPI_BAD_ARGUMENTS_H
#define HADAL_TESTS_CAPI_BAD_ARGUMENTS_H

#include "support.h"

struct objects {
  const char* path;
  uint64_t position; /* of a generated token */
  hadal_runtime* runtime;
  hadal_config* config;
  hadal_model* model;
  hadal_tokenizer* tokenizer;
  hadal_sampler* sampler;
  hadal_session* session; /* computed to its end */
  hadal_request* request; /* a finished generate, with log-probabilities */
  hadal_request* load;    /* a finished load */
  hadal_request* prefill; /* a finished prefill, with all logits */
  hadal_error* error;
  hadal_runtime* freed_runtime;
  hadal_config* freed_config;
  hadal_model* freed_model;
  hadal_tokenizer* freed_tokenizer;
  hadal_sampler* freed_sampler;
  hadal_session* freed_session;
  hadal_request* freed_request;
};
void try_bad_arguments(const struct objects* at);

extern const int32_t some_tokens[3];
extern const float some_logits[3];
extern const hadal_allocator some_allocator, empty_allocator;
extern const hadal_executor some_executor, empty_executor;
extern const hadal_io some_io, empty_io;
extern const hadal_log_sink some_log_sink, empty_log_sink;
extern hadal_option_desc empty_option_desc;
extern hadal_memory_plan empty_memory_plan;
extern hadal_op_profile empty_op_profile;
extern hadal_convert_sizes empty_convert_sizes;
extern hadal_event empty_event;
extern hadal_stats empty_stats;
int32_t some_fn(void* user_data, const hadal_event* event);

/* Marks an output before a call that fails, and finds out whether it was left alone. */
void fill(void* output, size_t size);
int is_filled(const void* output, size_t size, size_t after);

#define REFUSES(wanted, call) FAILS(wanted, call)
/* Asks for a size: whether that is a success or E_BUFFER_TOO_SMALL, nothing but the size comes. */
#define ASKS(call)                                                      \
  do {                                                                  \
    hadal_error* object_ = NULL;                                        \
    hadal_error** error = &object_;                                     \
    const hadal_status status_ = (call);                                \
    EXPECT(status_ == HADAL_OK || status_ == HADAL_E_BUFFER_TOO_SMALL); \
    hadal_error_free(object_);                                          \
  } while (0)
#define TOO_SMALL(call) FAILS(HADAL_E_BUFFER_TOO_SMALL, call)

#endif
