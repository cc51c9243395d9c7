#include "lib/model/weights.hpp"

#include <algorithm>
#include <cmath>

#include "absl/strings/numbers.h"
#include "absl/strings/str_join.h"
#include "absl/strings/strip.h"
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

bool holds_mtp_alone(const Checkpoint& checkpoint, const ModelConfig& config) {
  const Manifest& manifest = checkpoint.manifest();
  if (manifest.find(absl::StrCat("layers.", config.num_hidden_layers, ".enorm")) == nullptr)
    return false;
  return std::none_of(manifest.entries().begin(), manifest.entries().end(),
                      [&](const TensorEntry& entry) {
                        absl::string_view name = entry.name;
                        int32_t layer = 0;
                        return absl::ConsumePrefix(&name, "layers.") &&
                               absl::SimpleAtoi(name.substr(0, name.find('.')), &layer) &&
                               layer < config.num_hidden_layers;
                      });
}

// Turns the configuration into the list of tensors to load. The first failure sticks.
class WeightPlan {
 public:
  WeightPlan(const Checkpoint& checkpoint, const ModelConfig& config, WeightLoader& loader)
      : checkpoint_(checkpoint), config_(config), loader_(loader) {}

  absl::Status refuse_mtp_alone() const {
    if (!holds_mtp_alone(checkpoint_, config_)) return absl::OkStatus();
    return fail(
        HADAL_E_UNSUPPORTED,
        absl::StrCat(checkpoint_.files().front()->path(), ": found the MTP layer alone (layer ",
                     config_.num_hidden_layers, "), wanted a whole model"),
        "It goes beside the model it was made for: load that one, and name this file with "
        "the option mtp_path.");
  }

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
      const std::string embed_tokens = own(p + "embed_tokens", "embed_tokens");
      const std::string head_norm = own(p + "shared_head.norm", "norm");
      const std::string head = own(p + "shared_head.head", "lm_head");
      if (!embed_tokens.empty()) matrix(embed_tokens, vocab, hidden, m.embed_tokens);
      if (!head_norm.empty()) vector(head_norm, hidden, m.shared_head_norm);
      if (!head.empty()) matrix(head, vocab, hidden, m.shared_head);
    }
  }

  const absl::Status& status() const { return status_; }

 private:
  // What an MTP layer may have of its own. In a file without a trunk, the names that are the
  // trunk's elsewhere are the layer's, too.
  std::string own(const std::string& in_layer, const char* of_file) const {
    if (has(in_layer)) return in_layer;
    return !has("layers.0.input_layernorm") && has(of_file) ? of_file : "";
  }

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
    if (has(p + "k_b_proj") || has(p + "v_b_proj")) {
      stack(p + "k_b_proj", heads, rank, nope, w.k_b_proj, /*may_be_flat=*/true);
      stack(p + "v_b_proj", heads, v, rank, w.v_b_proj, /*may_be_flat=*/true);
      return;
    }
    const TensorEntry* entry = find(p + "kv_b_proj", {{heads * (nope + v), rank}});
    if (entry == nullptr) return;
    WeightSource keys = slices_of(*entry, heads, nope, rank, nope + v);
    keys.transposed = true;
    WeightSource values = slices_of(*entry, heads, v, rank, nope + v);
    values.scales.first_row = nope;
    add({entry}, {{&w.k_b_proj, keys, 0}, {&w.v_b_proj, values, nope * values.row_stride_bytes}});
  }

  void ffn(const std::string& p, int64_t intermediate, FfnWeights& w) {
    matrix(p + "gate_proj", intermediate, config_.hidden_size, w.gate_proj);
    matrix(p + "up_proj", intermediate, config_.hidden_size, w.up_proj);
    matrix(p + "down_proj", config_.hidden_size, intermediate, w.down_proj);
  }

  void moe(const std::string& p, MoeWeights& w) {
    const int64_t experts = config_.n_routed_experts, hidden = config_.hidden_size;
    const int64_t inner = config_.moe_intermediate_size;
    matrix(p + "gate", experts, hidden, w.gate, /*decides=*/true);
    if (config_.topk_method == TopkMethod::kNoauxTc) {
      vector(p + "gate.e_score_correction_bias", experts, w.e_score_correction_bias);
    }
    if (has(p + "experts.gate_up_proj")) {
      // Fused: per expert the rows of gate_proj, then those of up_proj.
      const TensorEntry* entry = find(p + "experts.gate_up_proj", {{experts, 2 * inner, hidden}});
      if (entry != nullptr) {
        const WeightSource half = slices_of(*entry, experts, inner, hidden, 2 * inner);
        add({entry}, {{&w.experts.gate_proj, half, 0},
                      {&w.experts.up_proj, half, inner * half.row_stride_bytes}});
      }
    } else {
      expert_stack(p + "experts.", "gate_proj", inner, hidden, w.experts.gate_proj);
      expert_stack(p + "experts.", "up_proj", inner, hidden, w.experts.up_proj);
    }
    expert_stack(p + "experts.", "down_proj", hidden, inner, w.experts.down_proj);
    if (config_.n_shared_experts > 0) {
      ffn(p + "shared_experts.", config_.shared_intermediate_size(), w.shared_experts);
    }
  }

  void matrix(const std::string& name, int64_t rows, int64_t cols, Weight& weight,
              bool decides = false) {
    const TensorEntry* entry = find(name, {{rows, cols}});
    if (entry == nullptr) return;
    WeightSource source = slices_of(*entry, 1, rows, cols, rows);
    source.decides = decides;
    add({entry}, {{&weight, source, 0}});
  }

  // One matrix per head or expert: [n, rows, cols], or [n * rows, cols] where files are known to do
  // so.
  void stack(const std::string& name, int64_t n, int64_t rows, int64_t cols, Weight& weight,
             bool may_be_flat = false) {
    std::vector<std::vector<int64_t>> shapes = {{n, rows, cols}};
    if (may_be_flat) shapes.push_back({n * rows, cols});
    const TensorEntry* entry = find(name, shapes);
    if (entry == nullptr) return;
    add({entry}, {{&weight, slices_of(*entry, n, rows, cols, rows), 0}});
  }

  // The experts stacked in one tensor, or each in one of its own, anywhere in the files.
  void expert_stack(const std::string& p, const char* name, int64_t rows, int64_t cols,
                    Weight& weight) {
    const int64_t n = config_.n_routed_experts;
    const auto has_expert = [&](int e) { return has(absl::StrCat(p, e, ".", name)); };
    if (has(p + name) || !(has_expert(0) || has_expert(1)))
      return stack(p + name, n, rows, cols, weight);
    std::vector<const TensorEntry*> experts;
    for (int64_t e = 0; e < n; ++e) {
      const TensorEntry* entry = find(absl::StrCat(p, e, ".", name), {{rows, cols}});
      if (entry == nullptr) return;
      if (!experts.empty() && entry->dtype != experts[0]->dtype) {
        status_ =
            fail(HADAL_E_UNSUPPORTED,
                 absl::StrCat(path_of(*entry), ": the tensor ", entry->name_in_file,
                              " has the type ", hadal::name(entry->dtype), ", ",
                              experts[0]->name_in_file, " has ", hadal::name(experts[0]->dtype)),
                 "Convert the checkpoint so that all experts of a layer have one type.");
        return;
      }
      experts.push_back(entry);
    }
    WeightSource source = slices_of(*experts[0], n, rows, cols, 0);
    source.scales.slice_stride = n_scales_of(*experts[0]);
    add(experts, {{&weight, source, 0}});
  }

  void vector(const std::string& name, int64_t n, Weight& weight) {
    const TensorEntry* entry = find(name, {{n}});
    if (entry == nullptr) return;
    if (entry->dtype == DType::kF8_E4M3) {
      status_ = fail(HADAL_E_UNSUPPORTED,
                     absl::StrCat(path_of(*entry), ": the tensor ", entry->name_in_file,
                                  " has the type f8_e4m3, which only matrices can have"),
                     "Convert the checkpoint again with norms and biases in f32 or bf16.");
      return;
    }
    // Becomes f32 on the way, whatever the file has.
    const WeightSource source{DType::kF32, 1, 1, n, nullptr, n * 4, n * 4, false};
    const size_t group = new_group(1, {{&weight, source, 0}});
    loader_.float_bytes_ += static_cast<uint64_t>(n) * sizeof(float);
    add_part(entry, WeightLoader::Kind::kVector, group, 0);
  }

  // Slices of `rows` rows, from one to the next rows_per_slice rows of the tensor.
  WeightSource slices_of(const TensorEntry& entry, int64_t n, int64_t rows, int64_t cols,
                         int64_t rows_per_slice) const {
    const int64_t row = row_bytes(entry.dtype, cols);
    WeightSource source{entry.dtype, n, rows, cols, nullptr, row, row * rows_per_slice, false};
    if (entry.dtype == DType::kF8_E4M3) {
      source.scales.block_rows = config_.weight_block_rows;
      source.scales.block_cols = config_.weight_block_cols;
      source.scales.row_stride = blocks(cols, config_.weight_block_cols);
      source.scales.rows_per_slice = rows_per_slice;
    }
    return source;
  }

  static int64_t blocks(int64_t n, int64_t size) { return (n + size - 1) / size; }
  // Those of a matrix in fp8, [rows of blocks, blocks of a row].
  std::vector<int64_t> scales_shape(const TensorEntry& entry) const {
    return {blocks(entry.shape[0], config_.weight_block_rows),
            blocks(entry.shape[1], config_.weight_block_cols)};
  }
  int64_t n_scales_of(const TensorEntry& entry) const {
    return entry.dtype == DType::kF8_E4M3 ? product(scales_shape(entry)) : 0;
  }

  // The scales of a tensor in fp8.
  const TensorEntry* find_scales(const TensorEntry& entry) {
    const TensorEntry* scales =
        checkpoint_.manifest().find(absl::StrCat(entry.name, ".weight_scale_inv"));
    if (entry.shape.size() != 2 || scales == nullptr) {
      status_ = fail(
          HADAL_E_FORMAT,
          absl::StrCat(
              path_of(entry), ": the tensor ", entry.name_in_file,
              entry.shape.size() != 2
                  ? absl::StrCat(" in fp8 has the shape ", text(entry.shape), ", wanted a matrix")
                  : absl::StrCat(" is in fp8, but there is no ", entry.name_in_file,
                                 "_scale_inv of shape ", text(scales_shape(entry)))),
          "hadal runs fp8 with a scale for each block, as DeepSeek publishes it: "
          "download the checkpoint again, or use it in another type.");
      return nullptr;
    }
    if (scales->shape != scales_shape(entry)) {
      status_ = fail(
          HADAL_E_FORMAT,
          absl::StrCat(path_of(*scales), ": the tensor ", scales->name_in_file, " has the shape ",
                       text(scales->shape), ", wanted ", text(scales_shape(entry)),
                       ", one scale for each block of ", config_.weight_block_rows, " by ",
                       config_.weight_block_cols, " of ", text(entry.shape)),
          "weight_block_size in config.json and the weights do not belong together.");
      return nullptr;
    }
    if (scales->dtype != DType::kF32 && scales->dtype != DType::kBF16 &&
        scales->dtype != DType::kF8_E8M0) {
      status_ = fail(
          HADAL_E_UNSUPPORTED,
          absl::StrCat(path_of(*scales), ": the tensor ", scales->name_in_file, " has the type ",
                       hadal::name(scales->dtype), ", wanted f32, bf16 or f8_e8m0"),
          "Use the checkpoint as DeepSeek publishes it, or in another type.");
      return nullptr;
    }
    return scales;
  }

  bool has(const std::string& name) const { return checkpoint_.manifest().find(name) != nullptr; }

  const TensorEntry* find(const std::string& name,
                          const std::vector<std::vector<int64_t>>& shapes) {
    if (!status_.ok()) return nullptr;
    const TensorEntry* entry = checkpoint_.manifest().find(name);
    if (entry == nullptr) {
      const auto& files = checkpoint_.files();
      status_ = fail(
          HADAL_E_FORMAT,
          absl::StrCat(files.front()->path(),
                       files.size() > 1 ? " and the files that belong to it" : "", ": the tensor ",
                       name, " is missing; wanted shape ", text(shapes.front())),
          "The file lacks a part of the model: a shard may be missing, or the converter "
          "did not know this model. Convert or download it again.");
      return nullptr;
    }
    if (std::find(shapes.begin(), shapes.end(), entry->shape) == shapes.end()) {
      status_ = fail(
          HADAL_E_FORMAT,
          absl::StrCat(path_of(*entry), ": the tensor ", entry->name_in_file, " (", name,
                       ") has the shape ", text(entry->shape), ", wanted ", text(shapes.front())),
          "The file contradicts its own metadata: convert or download it again.");
      return nullptr;
    }
    if (!info(entry->dtype).is_weight) {
      status_ =
          fail(HADAL_E_UNSUPPORTED,
               absl::StrCat(path_of(*entry), ": the tensor ", entry->name_in_file, " has the type ",
                            hadal::name(entry->dtype), ", which no weight can have"),
               "Convert the file again with a float or quantised type.");
      return nullptr;
    }
    return entry;
  }

  const std::string& path_of(const TensorEntry& entry) const {
    return checkpoint_.files()[static_cast<size_t>(entry.file)]->path();
  }

  size_t new_group(size_t n_tensors, std::vector<WeightLoader::Target> targets) {
    WeightLoader::Group group;
    group.targets = std::move(targets);
    group.tensors.resize(n_tensors);
    loader_.groups_.push_back(std::move(group));
    return loader_.groups_.size() - 1;
  }

  void add_part(const TensorEntry* entry, WeightLoader::Kind kind, size_t group, size_t place) {
    loader_.parts_.push_back({entry, kind, group, place});
    loader_.bytes_total_ += entry->size_bytes;
    ++loader_.groups_[group].n_missing;
  }

  // Matrices out of one tensor, or of one for each slice.
  void add(const std::vector<const TensorEntry*>& entries,
           std::vector<WeightLoader::Target> targets) {
    const size_t group = new_group(entries.size(), std::move(targets));
    const int64_t n_scales = n_scales_of(*entries[0]);
    loader_.groups_[group].n_scales = n_scales;
    for (size_t i = 0; i < entries.size(); ++i) {
      add_part(entries[i], WeightLoader::Kind::kMatrices, group, i);
      if (n_scales == 0) continue;
      const TensorEntry* scales = find_scales(*entries[i]);
      if (scales == nullptr) return;
      add_part(scales, WeightLoader::Kind::kScales, group, i);
      loader_.float_bytes_ += static_cast<uint64_t>(n_scales) * sizeof(float);
    }
  }

  const Checkpoint& checkpoint_;
  const ModelConfig& config_;
  WeightLoader& loader_;
  absl::Status status_;
};

absl::StatusOr<WeightLoader> WeightLoader::create(const Checkpoint& checkpoint,
                                                  const ModelConfig& config, bool use_mmap,
                                                  ModelWeights& weights) {
  return create_parts(checkpoint, config, use_mmap, /*with_trunk=*/true, weights);
}

absl::StatusOr<WeightLoader> WeightLoader::create_mtp(const Checkpoint& checkpoint,
                                                      const ModelConfig& config, bool use_mmap,
                                                      ModelWeights& weights) {
  return create_parts(checkpoint, config, use_mmap, /*with_trunk=*/false, weights);
}

absl::StatusOr<WeightLoader> WeightLoader::create_parts(const Checkpoint& checkpoint,
                                                        const ModelConfig& config, bool use_mmap,
                                                        bool with_trunk, ModelWeights& weights) {
  WeightLoader loader;
  loader.checkpoint_ = &checkpoint;
  loader.use_mmap_ = use_mmap;
  weights.mtp.resize(static_cast<size_t>(config.num_nextn_predict_layers));
  WeightPlan plan(checkpoint, config, loader);
  if (with_trunk) {
    HADAL_RETURN_IF_ERROR(plan.refuse_mtp_alone());
    weights.layers.resize(static_cast<size_t>(config.num_hidden_layers));
    plan.trunk(weights);
  }
  plan.mtp(weights);
  HADAL_RETURN_IF_ERROR(plan.status());
  // In file order, so that a disk reads straight on.
  std::stable_sort(loader.parts_.begin(), loader.parts_.end(), [](const Part& a, const Part& b) {
    return std::pair(a.entry->file, a.entry->offset) < std::pair(b.entry->file, b.entry->offset);
  });
  loader.mappings_.resize(checkpoint.files().size());
  return loader;
}

absl::Status WeightLoader::step(Backend& backend, Memory& memory) {
  HADAL_CHECK(!done());
  const Part& part = parts_[next_];
  const TensorEntry& entry = *part.entry;
  const auto file_index = static_cast<size_t>(entry.file);
  const File& file = *checkpoint_->files()[file_index];

  if (use_mmap_) {
    auto& mapping = mappings_[file_index];
    if (mapping == nullptr) {
      HADAL_ASSIGN_OR_RETURN(mapping, file.map());
      storage_.push_back(mapping);
    }
    HADAL_CHECK(entry.offset + entry.size_bytes <= mapping->bytes().size());
    HADAL_RETURN_IF_ERROR(take(backend, memory, part, mapping->bytes().data() + entry.offset));
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
  HADAL_RETURN_IF_ERROR(take(backend, memory, part, block->data()));
  if (part.kind == Kind::kMatrices) storage_.push_back(std::move(block));
  ++next_;
  return absl::OkStatus();
}

absl::Status WeightLoader::take(Backend& backend, Memory& memory, const Part& part,
                                const std::byte* data) {
  Group& group = groups_[part.group];
  switch (part.kind) {
    case Kind::kMatrices: group.tensors[part.place] = data; break;
    case Kind::kVector: {
      const auto n = static_cast<size_t>(product(part.entry->shape));
      HADAL_ASSIGN_OR_RETURN(Block block, memory.allocate(n * sizeof(float), MemoryTag::kWeights));
      HADAL_RETURN_IF_ERROR(decode_finite(*part.entry, data, block.floats()));
      auto kept = std::make_shared<Block>(std::move(block));
      group.tensors[part.place] = kept->data();
      storage_.push_back(std::move(kept));
      break;
    }
    case Kind::kScales: {
      const auto n = static_cast<size_t>(group.n_scales);
      if (group.scales.size() == 0) {
        HADAL_ASSIGN_OR_RETURN(
            group.scales,
            memory.allocate(n * group.tensors.size() * sizeof(float), MemoryTag::kWeights));
      }
      HADAL_RETURN_IF_ERROR(
          decode_finite(*part.entry, data, group.scales.floats() + part.place * n));
      break;
    }
  }
  return --group.n_missing == 0 ? finish(backend, group) : absl::OkStatus();
}

// Everything is there: the weights of the group go to the backend.
absl::Status WeightLoader::finish(Backend& backend, Group& group) {
  const std::byte* const* slice_data = nullptr;
  if (group.tensors.size() > 1) {
    auto kept = std::make_shared<const std::vector<const std::byte*>>(std::move(group.tensors));
    slice_data = kept->data();
    storage_.push_back(std::move(kept));
  }
  const std::byte* data = slice_data != nullptr ? slice_data[0] : group.tensors[0];
  const float* scales = nullptr;
  if (group.scales.size() > 0) {
    auto kept = std::make_shared<const Block>(std::move(group.scales));
    scales = kept->floats();
    storage_.push_back(std::move(kept));
  }
  for (const Target& target : group.targets) {
    WeightSource source = target.source;
    source.data = data + target.offset_bytes;
    source.slice_data = slice_data;
    source.scales.data = scales;
    HADAL_ASSIGN_OR_RETURN(*target.weight, backend.upload(source));
  }
  return absl::OkStatus();
}

absl::Status WeightLoader::decode_finite(const TensorEntry& entry, const std::byte* data,
                                         float* to) const {
  const int64_t n = product(entry.shape);
  decode_row(entry.dtype, data, n, to);
  for (int64_t i = 0; i < n; ++i) {
    if (!std::isfinite(to[i])) {
      return fail(HADAL_E_FORMAT,
                  absl::StrCat(checkpoint_->files()[static_cast<size_t>(entry.file)]->path(),
                               ": the tensor ", entry.name_in_file, " holds ", to[i],
                               " at element ", i, ", wanted finite numbers"),
                  "The file is damaged: compare its checksum, download it again.");
    }
  }
  return absl::OkStatus();
}

}  // namespace hadal
