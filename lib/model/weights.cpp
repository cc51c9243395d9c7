#include "lib/model/weights.hpp"

#include <algorithm>
#include <cmath>

#include "absl/strings/str_join.h"
#include "lib/tensor/block_formats.hpp"

namespace hadal {
namespace {

constexpr uint64_t kPieceBytes = uint64_t{16} << 20;

std::string text(const std::vector<int64_t>& shape) {
  return absl::StrCat("[", absl::StrJoin(shape, ", "), "]");
}

int64_t product(const std::vector<int64_t>& shape) {
  int64_t n = 1;
  for (const int64_t d : shape) n *= d;
  return n;
}

}  // namespace

// Turns the configuration into the list of tensors to load. The first failure sticks.
class WeightPlan {
 public:
  WeightPlan(const Checkpoint& checkpoint, const ModelConfig& config, WeightLoader& loader)
      : checkpoint_(checkpoint), config_(config), loader_(loader) {}

  void trunk(ModelWeights& w) {
    const int64_t vocab = config_.vocab_size, hidden = config_.hidden_size;
    matrix("embed_tokens", vocab, hidden, w.embed_tokens);
    for (int32_t i = 0; i < config_.num_hidden_layers; ++i) {
      layer(absl::StrCat("layers.", i, "."), config_.is_moe_layer(i),
            w.layers[static_cast<size_t>(i)]);
    }
    vector("norm", hidden, w.norm);
    // Tied: the embedding serves twice.
    matrix(has("lm_head") ? "lm_head" : "embed_tokens", vocab, hidden, w.lm_head);
  }

  void mtp(ModelWeights& w) {
    const int64_t vocab = config_.vocab_size, hidden = config_.hidden_size;
    for (size_t i = 0; i < w.mtp.size(); ++i) {
      const std::string p =
          absl::StrCat("layers.", static_cast<size_t>(config_.num_hidden_layers) + i, ".");
      MtpWeights& m = w.mtp[i];
      vector(p + "enorm", hidden, m.enorm);
      vector(p + "hnorm", hidden, m.hnorm);
      matrix(p + "eh_proj", hidden, 2 * hidden, m.eh_proj);
      layer(p, true, m.layer);
      if (has(p + "embed_tokens")) matrix(p + "embed_tokens", vocab, hidden, m.embed_tokens);
      if (has(p + "shared_head.norm")) vector(p + "shared_head.norm", hidden, m.shared_head_norm);
      if (has(p + "shared_head.head")) matrix(p + "shared_head.head", vocab, hidden, m.shared_head);
    }
  }

  const absl::Status& status() const { return status_; }

 private:
  void layer(const std::string& p, bool is_moe, LayerWeights& w) {
    vector(p + "input_layernorm", config_.hidden_size, w.input_layernorm);
    attention(p + "self_attn.", w.self_attn);
    vector(p + "post_attention_layernorm", config_.hidden_size, w.post_attention_layernorm);
    if (is_moe) {
      moe(p + "mlp.", w.moe);
    } else {
      ffn(p + "mlp.", config_.intermediate_size, w.ffn);
    }
  }

  void attention(const std::string& p, MlaWeights& w) {
    const int64_t hidden = config_.hidden_size, heads = config_.num_attention_heads;
    const int64_t rank = config_.kv_lora_rank, v = config_.v_head_dim;
    if (config_.q_lora_rank) {
      matrix(p + "q_a_proj", *config_.q_lora_rank, hidden, w.q_a_proj);
      vector(p + "q_a_layernorm", *config_.q_lora_rank, w.q_a_layernorm);
      matrix(p + "q_b_proj", heads * config_.qk_head_dim(), *config_.q_lora_rank, w.q_b_proj);
    } else {
      matrix(p + "q_proj", heads * config_.qk_head_dim(), hidden, w.q_proj);
    }
    matrix(p + "kv_a_proj_with_mqa", config_.latent_dim(), hidden, w.kv_a_proj_with_mqa);
    vector(p + "kv_a_layernorm", rank, w.kv_a_layernorm);
    kv_b(p, w);
    matrix(p + "o_proj", hidden, heads * v, w.o_proj);
  }

  // Files hold the two halves of kv_b_proj apart, k_b_proj transposed, or (before April 2025)
  // joined: per head qk_nope_head_dim rows that make keys and v_head_dim rows that make values.
  // Both become views of the bytes in the file; from here on nobody knows the difference.
  void kv_b(const std::string& p, MlaWeights& w) {
    const int64_t heads = config_.num_attention_heads, rank = config_.kv_lora_rank;
    const int64_t nope = config_.qk_nope_head_dim, v = config_.v_head_dim;
    if (has(p + "k_b_proj") || !has(p + "kv_b_proj")) {
      stack(p + "k_b_proj", heads, rank, nope, w.k_b_proj, /*may_be_flat=*/true);
      stack(p + "v_b_proj", heads, v, rank, w.v_b_proj, /*may_be_flat=*/true);
      return;
    }
    const TensorEntry* entry = find(p + "kv_b_proj", {{heads * (nope + v), rank}});
    if (entry == nullptr) return;
    const int64_t row = row_bytes(entry->dtype, rank);
    WeightSource keys{entry->dtype, heads, nope, rank, nullptr, row, row * (nope + v), true};
    WeightSource values{entry->dtype, heads, v, rank, nullptr, row, row * (nope + v), false};
    add(entry, {{&w.k_b_proj, keys, 0}, {&w.v_b_proj, values, row * nope}});
  }

  void ffn(const std::string& p, int64_t intermediate, FfnWeights& w) {
    matrix(p + "gate_proj", intermediate, config_.hidden_size, w.gate_proj);
    matrix(p + "up_proj", intermediate, config_.hidden_size, w.up_proj);
    matrix(p + "down_proj", config_.hidden_size, intermediate, w.down_proj);
  }

  void moe(const std::string& p, MoeWeights& w) {
    const int64_t experts = config_.n_routed_experts, hidden = config_.hidden_size;
    const int64_t inner = config_.moe_intermediate_size;
    matrix(p + "gate", experts, hidden, w.gate);
    if (config_.topk_method == TopkMethod::kNoauxTc) {
      vector(p + "gate.e_score_correction_bias", experts, w.e_score_correction_bias);
    }
    if (has(p + "experts.gate_up_proj")) {
      // Fused: per expert the rows of gate_proj, then those of up_proj.
      const TensorEntry* entry = find(p + "experts.gate_up_proj", {{experts, 2 * inner, hidden}});
      if (entry != nullptr) {
        const int64_t row = row_bytes(entry->dtype, hidden);
        const WeightSource half{entry->dtype, experts, inner,           hidden,
                                nullptr,      row,     2 * inner * row, false};
        add(entry, {{&w.experts.gate_proj, half, 0}, {&w.experts.up_proj, half, inner * row}});
      }
    } else {
      stack(p + "experts.gate_proj", experts, inner, hidden, w.experts.gate_proj);
      stack(p + "experts.up_proj", experts, inner, hidden, w.experts.up_proj);
    }
    stack(p + "experts.down_proj", experts, hidden, inner, w.experts.down_proj);
    if (config_.n_shared_experts > 0) {
      ffn(p + "shared_experts.", config_.shared_intermediate_size(), w.shared_experts);
    }
  }

  void matrix(const std::string& name, int64_t rows, int64_t cols, Weight& weight) {
    const TensorEntry* entry = find(name, {{rows, cols}});
    if (entry == nullptr) return;
    const int64_t row = row_bytes(entry->dtype, cols);
    add(entry, {{&weight, {entry->dtype, 1, rows, cols, nullptr, row, row * rows, false}, 0}});
  }

  // One matrix per head or expert: [n, rows, cols], or [n * rows, cols] where files are known to do
  // so.
  void stack(const std::string& name, int64_t n, int64_t rows, int64_t cols, Weight& weight,
             bool may_be_flat = false) {
    std::vector<std::vector<int64_t>> shapes = {{n, rows, cols}};
    if (may_be_flat) shapes.push_back({n * rows, cols});
    const TensorEntry* entry = find(name, shapes);
    if (entry == nullptr) return;
    const int64_t row = row_bytes(entry->dtype, cols);
    add(entry, {{&weight, {entry->dtype, n, rows, cols, nullptr, row, row * rows, false}, 0}});
  }

  void vector(const std::string& name, int64_t n, Weight& weight) {
    const TensorEntry* entry = find(name, {{n}});
    if (entry == nullptr) return;
    // Becomes f32 on the way, whatever the file has.
    add(entry, {{&weight, {DType::kF32, 1, 1, n, nullptr, n * 4, n * 4, false}, 0}}, true);
  }

  bool has(const std::string& name) const { return checkpoint_.manifest().find(name) != nullptr; }

  const TensorEntry* find(const std::string& name,
                          const std::vector<std::vector<int64_t>>& shapes) {
    if (!status_.ok()) return nullptr;
    const TensorEntry* entry = checkpoint_.manifest().find(name);
    const std::string& file = checkpoint_.files().front()->path();
    if (entry == nullptr) {
      status_ = fail(HADAL_E_FORMAT,
                     absl::StrCat(file, ": the tensor ", name, " is missing; wanted shape ",
                                  text(shapes.front())),
                     "The file lacks a part of the model: a shard may be missing, or the converter "
                     "did not know this model. Convert or download it again.");
      return nullptr;
    }
    if (std::find(shapes.begin(), shapes.end(), entry->shape) == shapes.end()) {
      status_ =
          fail(HADAL_E_FORMAT,
               absl::StrCat(checkpoint_.files()[static_cast<size_t>(entry->file)]->path(),
                            ": the tensor ", entry->name_in_file, " (", name, ") has the shape ",
                            text(entry->shape), ", wanted ", text(shapes.front())),
               "The file contradicts its own metadata: convert or download it again.");
      return nullptr;
    }
    if (!info(entry->dtype).is_weight) {
      status_ = fail(HADAL_E_UNSUPPORTED,
                     absl::StrCat(file, ": the tensor ", entry->name_in_file, " has the type ",
                                  hadal::name(entry->dtype), ", which no weight can have"),
                     "Convert the file again with a float or quantised type.");
      return nullptr;
    }
    return entry;
  }

  void add(const TensorEntry* entry, std::vector<WeightLoader::Target> targets,
           bool is_vector = false) {
    loader_.steps_.push_back({entry, std::move(targets), is_vector});
    loader_.bytes_total_ += entry->size_bytes;
  }

  const Checkpoint& checkpoint_;
  const ModelConfig& config_;
  WeightLoader& loader_;
  absl::Status status_;
};

absl::StatusOr<WeightLoader> WeightLoader::create(const Checkpoint& checkpoint,
                                                  const ModelConfig& config, bool use_mmap,
                                                  ModelWeights& weights) {
  WeightLoader loader;
  loader.checkpoint_ = &checkpoint;
  loader.use_mmap_ = use_mmap;
  weights.layers.resize(static_cast<size_t>(config.num_hidden_layers));
  weights.mtp.resize(static_cast<size_t>(config.num_nextn_predict_layers));
  WeightPlan plan(checkpoint, config, loader);
  plan.trunk(weights);
  plan.mtp(weights);
  HADAL_RETURN_IF_ERROR(plan.status());
  // In file order, so that a disk reads straight on.
  std::stable_sort(loader.steps_.begin(), loader.steps_.end(), [](const Step& a, const Step& b) {
    return std::pair(a.entry->file, a.entry->offset) < std::pair(b.entry->file, b.entry->offset);
  });
  loader.mappings_.resize(checkpoint.files().size());
  return loader;
}

absl::Status WeightLoader::step(Backend& backend, Memory& memory) {
  HADAL_CHECK(!done());
  const Step& step = steps_[next_];
  const TensorEntry& entry = *step.entry;
  const auto file_index = static_cast<size_t>(entry.file);
  const File& file = *checkpoint_->files()[file_index];

  if (use_mmap_) {
    auto& mapping = mappings_[file_index];
    if (mapping == nullptr) {
      HADAL_ASSIGN_OR_RETURN(mapping, file.map());
      storage_.push_back(mapping);
    }
    HADAL_CHECK(entry.offset + entry.size_bytes <= mapping->bytes().size());
    HADAL_RETURN_IF_ERROR(
        finish_step(backend, memory, step, mapping->bytes().data() + entry.offset));
    bytes_done_ += entry.size_bytes;
    ++next_;
    return absl::OkStatus();
  }

  if (reading_.size() == 0) {
    HADAL_ASSIGN_OR_RETURN(reading_, memory.allocate(entry.size_bytes, MemoryTag::kWeights));
    read_so_far_ = 0;
  }
  const uint64_t n = std::min(kPieceBytes, entry.size_bytes - read_so_far_);
  HADAL_RETURN_IF_ERROR(
      file.read_at(entry.offset + read_so_far_, reading_.bytes().subspan(read_so_far_, n)));
  read_so_far_ += n;
  bytes_done_ += n;
  bytes_read_ += n;
  if (read_so_far_ < entry.size_bytes) return absl::OkStatus();

  auto block = std::make_shared<Block>(std::move(reading_));
  reading_ = Block();
  HADAL_RETURN_IF_ERROR(finish_step(backend, memory, step, block->data()));
  if (!step.is_vector) storage_.push_back(std::move(block));
  ++next_;
  return absl::OkStatus();
}

absl::Status WeightLoader::finish_step(Backend& backend, Memory& memory, const Step& step,
                                       const std::byte* data) {
  if (step.is_vector) {
    HADAL_ASSIGN_OR_RETURN(data, as_finite_floats(memory, *step.entry, data));
  }
  for (const Target& target : step.targets) {
    WeightSource source = target.source;
    source.data = data + target.offset_bytes;
    HADAL_ASSIGN_OR_RETURN(*target.weight, backend.upload(source));
  }
  return absl::OkStatus();
}

absl::StatusOr<const std::byte*> WeightLoader::as_finite_floats(Memory& memory,
                                                                const TensorEntry& entry,
                                                                const std::byte* data) {
  const int64_t n = product(entry.shape);
  HADAL_ASSIGN_OR_RETURN(
      Block block, memory.allocate(static_cast<size_t>(n) * sizeof(float), MemoryTag::kWeights));
  decode_row(entry.dtype, data, n, block.floats());
  for (int64_t i = 0; i < n; ++i) {
    if (!std::isfinite(block.floats()[i])) {
      return fail(HADAL_E_FORMAT,
                  absl::StrCat(checkpoint_->files()[static_cast<size_t>(entry.file)]->path(),
                               ": the tensor ", entry.name_in_file, " holds ", block.floats()[i],
                               " at element ", i, ", wanted finite numbers"),
                  "The file is damaged: compare its checksum, download it again.");
    }
  }
  auto kept = std::make_shared<Block>(std::move(block));
  storage_.push_back(kept);
  return kept->data();
}

}  // namespace hadal
