/* clang-format off */
/* Written by capi/abi.py --write from include/hadal/hadal.h; not to be edited.
 * Sizes and offsets of the public structs, for C11 and C++17, where pointers have 64 bits. */
#ifndef HADAL_TESTS_CAPI_LAYOUT_H
#define HADAL_TESTS_CAPI_LAYOUT_H

#include <hadal/hadal.h>
#include <stddef.h>

#ifdef __cplusplus
#define HADAL_LAYOUT(fact) static_assert(fact, #fact)
#else
#define HADAL_LAYOUT(fact) _Static_assert(fact, #fact)
#endif

HADAL_LAYOUT(sizeof(hadal_option_desc) == 96);
HADAL_LAYOUT(offsetof(hadal_option_desc, struct_size) == 0);
HADAL_LAYOUT(offsetof(hadal_option_desc, key) == 4);
HADAL_LAYOUT(offsetof(hadal_option_desc, type) == 8);
HADAL_LAYOUT(offsetof(hadal_option_desc, scope) == 12);
HADAL_LAYOUT(offsetof(hadal_option_desc, since) == 16);
HADAL_LAYOUT(offsetof(hadal_option_desc, flags) == 20);
HADAL_LAYOUT(offsetof(hadal_option_desc, min_i64) == 24);
HADAL_LAYOUT(offsetof(hadal_option_desc, max_i64) == 32);
HADAL_LAYOUT(offsetof(hadal_option_desc, default_i64) == 40);
HADAL_LAYOUT(offsetof(hadal_option_desc, min_f64) == 48);
HADAL_LAYOUT(offsetof(hadal_option_desc, max_f64) == 56);
HADAL_LAYOUT(offsetof(hadal_option_desc, default_f64) == 64);
HADAL_LAYOUT(offsetof(hadal_option_desc, name) == 72);
HADAL_LAYOUT(offsetof(hadal_option_desc, default_str) == 80);
HADAL_LAYOUT(offsetof(hadal_option_desc, summary) == 88);

HADAL_LAYOUT(sizeof(hadal_allocator) == 40);
HADAL_LAYOUT(offsetof(hadal_allocator, struct_size) == 0);
HADAL_LAYOUT(offsetof(hadal_allocator, flags) == 4);
HADAL_LAYOUT(offsetof(hadal_allocator, user_data) == 8);
HADAL_LAYOUT(offsetof(hadal_allocator, destroy) == 16);
HADAL_LAYOUT(offsetof(hadal_allocator, allocate) == 24);
HADAL_LAYOUT(offsetof(hadal_allocator, release) == 32);

HADAL_LAYOUT(sizeof(hadal_executor) == 48);
HADAL_LAYOUT(offsetof(hadal_executor, struct_size) == 0);
HADAL_LAYOUT(offsetof(hadal_executor, flags) == 4);
HADAL_LAYOUT(offsetof(hadal_executor, user_data) == 8);
HADAL_LAYOUT(offsetof(hadal_executor, destroy) == 16);
HADAL_LAYOUT(offsetof(hadal_executor, thread_count) == 24);
HADAL_LAYOUT(offsetof(hadal_executor, in_parallel) == 32);
HADAL_LAYOUT(offsetof(hadal_executor, parallel_for) == 40);

HADAL_LAYOUT(sizeof(hadal_io) == 88);
HADAL_LAYOUT(offsetof(hadal_io, struct_size) == 0);
HADAL_LAYOUT(offsetof(hadal_io, flags) == 4);
HADAL_LAYOUT(offsetof(hadal_io, user_data) == 8);
HADAL_LAYOUT(offsetof(hadal_io, destroy) == 16);
HADAL_LAYOUT(offsetof(hadal_io, open) == 24);
HADAL_LAYOUT(offsetof(hadal_io, size) == 32);
HADAL_LAYOUT(offsetof(hadal_io, read_at) == 40);
HADAL_LAYOUT(offsetof(hadal_io, write_at) == 48);
HADAL_LAYOUT(offsetof(hadal_io, sync) == 56);
HADAL_LAYOUT(offsetof(hadal_io, close) == 64);
HADAL_LAYOUT(offsetof(hadal_io, replace) == 72);
HADAL_LAYOUT(offsetof(hadal_io, remove) == 80);

HADAL_LAYOUT(sizeof(hadal_log_sink) == 32);
HADAL_LAYOUT(offsetof(hadal_log_sink, struct_size) == 0);
HADAL_LAYOUT(offsetof(hadal_log_sink, level) == 4);
HADAL_LAYOUT(offsetof(hadal_log_sink, user_data) == 8);
HADAL_LAYOUT(offsetof(hadal_log_sink, destroy) == 16);
HADAL_LAYOUT(offsetof(hadal_log_sink, write) == 24);

HADAL_LAYOUT(sizeof(hadal_memory_plan) == 112);
HADAL_LAYOUT(offsetof(hadal_memory_plan, struct_size) == 0);
HADAL_LAYOUT(offsetof(hadal_memory_plan, flags) == 4);
HADAL_LAYOUT(offsetof(hadal_memory_plan, host_weights) == 8);
HADAL_LAYOUT(offsetof(hadal_memory_plan, host_cache) == 16);
HADAL_LAYOUT(offsetof(hadal_memory_plan, host_scratch) == 24);
HADAL_LAYOUT(offsetof(hadal_memory_plan, host_pinned) == 32);
HADAL_LAYOUT(offsetof(hadal_memory_plan, mapped) == 40);
HADAL_LAYOUT(offsetof(hadal_memory_plan, device_weights) == 48);
HADAL_LAYOUT(offsetof(hadal_memory_plan, device_cache) == 56);
HADAL_LAYOUT(offsetof(hadal_memory_plan, device_scratch) == 64);
HADAL_LAYOUT(offsetof(hadal_memory_plan, streamed_per_token) == 72);
HADAL_LAYOUT(offsetof(hadal_memory_plan, host_minimum) == 80);
HADAL_LAYOUT(offsetof(hadal_memory_plan, host_comfortable) == 88);
HADAL_LAYOUT(offsetof(hadal_memory_plan, device_minimum) == 96);
HADAL_LAYOUT(offsetof(hadal_memory_plan, device_comfortable) == 104);

HADAL_LAYOUT(sizeof(hadal_op_profile) == 40);
HADAL_LAYOUT(offsetof(hadal_op_profile, struct_size) == 0);
HADAL_LAYOUT(offsetof(hadal_op_profile, flags) == 4);
HADAL_LAYOUT(offsetof(hadal_op_profile, calls) == 8);
HADAL_LAYOUT(offsetof(hadal_op_profile, ns) == 16);
HADAL_LAYOUT(offsetof(hadal_op_profile, bytes) == 24);
HADAL_LAYOUT(offsetof(hadal_op_profile, multiplications) == 32);

HADAL_LAYOUT(sizeof(hadal_convert_sizes) == 88);
HADAL_LAYOUT(offsetof(hadal_convert_sizes, struct_size) == 0);
HADAL_LAYOUT(offsetof(hadal_convert_sizes, flags) == 4);
HADAL_LAYOUT(offsetof(hadal_convert_sizes, read_bytes) == 8);
HADAL_LAYOUT(offsetof(hadal_convert_sizes, write_bytes) == 16);
HADAL_LAYOUT(offsetof(hadal_convert_sizes, free_bytes) == 24);
HADAL_LAYOUT(offsetof(hadal_convert_sizes, largest_file_bytes) == 32);
HADAL_LAYOUT(offsetof(hadal_convert_sizes, work_bytes) == 40);
HADAL_LAYOUT(offsetof(hadal_convert_sizes, files) == 48);
HADAL_LAYOUT(offsetof(hadal_convert_sizes, tensors) == 56);
HADAL_LAYOUT(offsetof(hadal_convert_sizes, encoded_tensors) == 64);
HADAL_LAYOUT(offsetof(hadal_convert_sizes, substituted_tensors) == 72);
HADAL_LAYOUT(offsetof(hadal_convert_sizes, requantised_tensors) == 80);

HADAL_LAYOUT(sizeof(hadal_event) == 56);
HADAL_LAYOUT(offsetof(hadal_event, struct_size) == 0);
HADAL_LAYOUT(offsetof(hadal_event, kind) == 4);
HADAL_LAYOUT(offsetof(hadal_event, sequence) == 8);
HADAL_LAYOUT(offsetof(hadal_event, token) == 16);
HADAL_LAYOUT(offsetof(hadal_event, logprob) == 20);
HADAL_LAYOUT(offsetof(hadal_event, channel) == 24);
HADAL_LAYOUT(offsetof(hadal_event, finish) == 28);
HADAL_LAYOUT(offsetof(hadal_event, progress) == 32);
HADAL_LAYOUT(offsetof(hadal_event, text) == 40);
HADAL_LAYOUT(offsetof(hadal_event, text_size) == 48);

HADAL_LAYOUT(sizeof(hadal_stats) == 144);
HADAL_LAYOUT(offsetof(hadal_stats, struct_size) == 0);
HADAL_LAYOUT(offsetof(hadal_stats, flags) == 4);
HADAL_LAYOUT(offsetof(hadal_stats, prompt_tokens) == 8);
HADAL_LAYOUT(offsetof(hadal_stats, reused_tokens) == 16);
HADAL_LAYOUT(offsetof(hadal_stats, generated_tokens) == 24);
HADAL_LAYOUT(offsetof(hadal_stats, drafted_tokens) == 32);
HADAL_LAYOUT(offsetof(hadal_stats, accepted_tokens) == 40);
HADAL_LAYOUT(offsetof(hadal_stats, queue_ns) == 48);
HADAL_LAYOUT(offsetof(hadal_stats, prefill_ns) == 56);
HADAL_LAYOUT(offsetof(hadal_stats, first_token_ns) == 64);
HADAL_LAYOUT(offsetof(hadal_stats, decode_ns) == 72);
HADAL_LAYOUT(offsetof(hadal_stats, seed) == 80);
HADAL_LAYOUT(offsetof(hadal_stats, read_bytes) == 88);
HADAL_LAYOUT(offsetof(hadal_stats, expert_hits) == 96);
HADAL_LAYOUT(offsetof(hadal_stats, expert_misses) == 104);
HADAL_LAYOUT(offsetof(hadal_stats, host_bytes) == 112);
HADAL_LAYOUT(offsetof(hadal_stats, host_peak) == 120);
HADAL_LAYOUT(offsetof(hadal_stats, device_bytes) == 128);
HADAL_LAYOUT(offsetof(hadal_stats, device_peak) == 136);

#endif
