// Any bytes as a GGUF file. The oracle is a second reader: on the layout both accept with equal
// tables, or both refuse; and what a checkpoint makes of an accepted file stands in the file.
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>

#include "lib/checkpoint/checkpoint.hpp"
#include "lib/checkpoint/gguf_file.hpp"
#include "tests/checkpoint/gguf_validator.hpp"
#include "tests/checkpoint/memory_files.hpp"

namespace {

void require(bool condition, const std::string& what) {
  if (condition) return;
  std::fprintf(stderr, "gguf_fuzz: %s\n", what.c_str());
  std::abort();
}

// Touches all that a caller of a checkpoint can ask for.
void look_at(const hadal::Checkpoint& checkpoint) {
  for (const char* name :
       {"vocab_size", "hidden_size", "num_hidden_layers", "num_nextn_predict_layers", "q_lora_rank",
        "qk_nope_head_dim", "v_head_dim", "n_group", "topk_group",
        "rope_scaling.original_max_position_embeddings"}) {
    (void)checkpoint.integer(name);
    (void)checkpoint.spelling(name);
  }
  for (const char* name : {"rope_theta", "rope_scaling.beta_fast", "rope_scaling.mscale_all_dim",
                           "routed_scaling_factor"}) {
    (void)checkpoint.real(name);
  }
  for (const char* name : {"scoring_func", "topk_method", "rope_scaling.type"}) {
    (void)checkpoint.text(name);
  }
  (void)checkpoint.flag("norm_topk_prob");
  (void)hadal::test::fingerprint(checkpoint);  // metadata and vocabulary
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace hadal;
  const std::string bytes(reinterpret_cast<const char*>(data), size);
  CheckpointOptions options;
  options.limit_string_bytes = 1 << 16;
  options.limit_metadata_entries = 1024;
  options.limit_array_elements = 1 << 14;
  options.limit_tensors = 1024;

  test::MemoryFiles memory;
  memory.put("f.gguf", bytes);
  {
    const auto file = memory.files().open("f.gguf");
    require(file.ok(), "the file is there");
    GgufTotals totals;
    const auto read = read_gguf_file(*file, options, totals);
    if (read.ok()) {
      const std::string problem = test::problem_of(*read, bytes);
      require(problem.empty(), problem);
    } else {
      require(!hint_of(read.status()).empty(), "no hint: " + message_of(read.status()));
      const bool is_ours_to_refuse =
          code_of(read.status()) == HADAL_E_LIMIT || code_of(read.status()) == HADAL_E_UNSUPPORTED;
      require(is_ours_to_refuse || !test::read_plainly(bytes).is_sound,
              "refused in spite of being sound: " + message_of(read.status()));
    }
  }
  for (const bool may_be_part : {false, true}) {  // of a set, whose other files are not there
    options.allow_missing_files = may_be_part;
    const auto checkpoint = open_checkpoint(memory.files(), "f.gguf", options, {});
    if (checkpoint.ok()) {
      const std::string problem = test::problem_of(**checkpoint, {bytes});
      require(problem.empty(), problem);
      look_at(**checkpoint);
    } else {
      require(!hint_of(checkpoint.status()).empty(), "no hint");
      require(code_of(checkpoint.status()) != HADAL_E_INTERNAL, "E_INTERNAL");
    }
  }
  require(memory.n_open() == 0, "a file stays open");
  return 0;
}
