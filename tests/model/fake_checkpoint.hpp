// Checkpoints for tests: one made of plain values, and one that shows a real file with other
// tensors.
#pragma once

#include <algorithm>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "lib/base/json.hpp"
#include "lib/checkpoint/checkpoint.hpp"

namespace hadal::test {

// Numbers and words from a JSON object whose keys are config.json's, dotted inside rope_scaling.
class FakeCheckpoint : public Checkpoint {
 public:
  explicit FakeCheckpoint(Json values) : values_(std::move(values)) {}

  absl::StatusOr<std::optional<int64_t>> integer(absl::string_view name) const override {
    return get<int64_t>(name);
  }
  absl::StatusOr<std::optional<double>> real(absl::string_view name) const override {
    return get<double>(name);
  }
  absl::StatusOr<std::optional<bool>> flag(absl::string_view name) const override {
    return get<bool>(name);
  }
  absl::StatusOr<std::optional<std::string>> text(absl::string_view name) const override {
    return get<std::string>(name);
  }
  std::string spelling(absl::string_view name) const override {
    return absl::StrCat("fake: ", name);
  }
  const Manifest& manifest() const override { return manifest_; }
  const std::vector<std::shared_ptr<const File>>& files() const override { return files_; }
  absl::StatusOr<Vocabulary> vocabulary() const override { return Vocabulary(); }
  std::vector<std::string> metadata_keys() const override { return {}; }
  std::optional<std::string> metadata(absl::string_view) const override { return std::nullopt; }

 private:
  template <class T>
  std::optional<T> get(absl::string_view name) const {
    const auto place = values_.find(std::string(name));
    if (place == values_.end()) return std::nullopt;
    return place->template get<T>();
  }

  Json values_;
  Manifest manifest_;
  std::vector<std::shared_ptr<const File>> files_;
};

// A file that is nothing but bytes.
class BytesFile : public File {
 public:
  explicit BytesFile(std::vector<std::byte> bytes)
      : File("bytes", bytes.size()), bytes_(std::move(bytes)) {}
  absl::Status read_at(uint64_t at, std::span<std::byte> to) const override {
    std::memcpy(to.data(), bytes_.data() + at, to.size());
    return absl::OkStatus();
  }
  absl::StatusOr<std::shared_ptr<const Mapping>> map() const override {
    return fail(HADAL_E_UNSUPPORTED, "bytes cannot be mapped", kNoHint);
  }

 private:
  std::vector<std::byte> bytes_;
};

// A real checkpoint with a list of tensors that a test may change.
class ChangedCheckpoint : public Checkpoint {
 public:
  explicit ChangedCheckpoint(std::unique_ptr<Checkpoint> real)
      : entries(real->manifest().entries()), files_(real->files()), real_(std::move(real)) {}

  std::vector<TensorEntry> entries;  // to be changed before seal()
  void seal() {
    for (const TensorEntry& entry : entries) HADAL_CHECK(manifest_.add(entry).ok());
  }
  TensorEntry& entry(const std::string& name) {
    const auto place = std::find_if(entries.begin(), entries.end(),
                                    [&](const TensorEntry& e) { return e.name == name; });
    HADAL_CHECK(place != entries.end());
    return *place;
  }
  void remove(const std::string& name) {
    std::erase_if(entries, [&](const TensorEntry& e) { return e.name == name; });
  }
  std::vector<std::byte> bytes_of(const TensorEntry& entry) const {
    std::vector<std::byte> bytes(entry.size_bytes);
    HADAL_CHECK(files_[static_cast<size_t>(entry.file)]->read_at(entry.offset, bytes).ok());
    return bytes;
  }
  // Puts other bytes in the place of an entry's.
  void set_bytes(TensorEntry& entry, std::vector<std::byte> bytes) {
    entry.file = static_cast<int32_t>(files_.size());
    entry.offset = 0;
    entry.size_bytes = bytes.size();
    files_.push_back(std::make_shared<BytesFile>(std::move(bytes)));
  }

  absl::StatusOr<std::optional<int64_t>> integer(absl::string_view name) const override {
    return real_->integer(name);
  }
  absl::StatusOr<std::optional<double>> real(absl::string_view name) const override {
    return real_->real(name);
  }
  absl::StatusOr<std::optional<bool>> flag(absl::string_view name) const override {
    return real_->flag(name);
  }
  absl::StatusOr<std::optional<std::string>> text(absl::string_view name) const override {
    return real_->text(name);
  }
  std::string spelling(absl::string_view name) const override { return real_->spelling(name); }
  const Manifest& manifest() const override { return manifest_; }
  const std::vector<std::shared_ptr<const File>>& files() const override { return files_; }
  absl::StatusOr<Vocabulary> vocabulary() const override { return real_->vocabulary(); }
  std::vector<std::string> metadata_keys() const override { return real_->metadata_keys(); }
  std::optional<std::string> metadata(absl::string_view key) const override {
    return real_->metadata(key);
  }

 private:
  Manifest manifest_;
  std::vector<std::shared_ptr<const File>> files_;
  std::unique_ptr<Checkpoint> real_;
};

}  // namespace hadal::test
