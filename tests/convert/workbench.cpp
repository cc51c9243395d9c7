#include "tests/convert/workbench.hpp"

#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <utility>

namespace hadal::test {

TemporaryFolder::TemporaryFolder() {
  static int number = 0;
  path_ = absl::StrCat(std::filesystem::temp_directory_path().string(), "/hadal_convert_", getpid(),
                       "_", number++, "/");
  std::filesystem::create_directories(path_);
}

TemporaryFolder::~TemporaryFolder() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

std::vector<std::string> TemporaryFolder::names() const {
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(path_))
    names.push_back(entry.path().filename().string());
  std::sort(names.begin(), names.end());
  return names;
}

ConversionTools tools(std::shared_ptr<FileSystem> files, int n_workers, uint64_t budget_bytes,
                      std::shared_ptr<Log> log) {
  return {std::move(files), Memory::create(nullptr, budget_bytes), *thread_pool(n_workers),
          log != nullptr ? std::move(log) : std::make_shared<Log>()};
}

absl::Status convert(const ConversionTools& tools, const std::string& from, const std::string& to,
                     const ConversionOptions& options) {
  Conversion conversion(tools, from, to, options);
  double progress = 0.0;
  while (!conversion.done()) {
    HADAL_RETURN_IF_ERROR(conversion.step());
    EXPECT_GE(conversion.progress(), progress);
    progress = conversion.progress();
    EXPECT_TRUE(conversion.done() || progress < 1.0);
  }
  EXPECT_EQ(progress, 1.0);
  return absl::OkStatus();
}

std::unique_ptr<Checkpoint> open(FileSystem& files, const std::string& path) {
  auto checkpoint = open_checkpoint(files, path, {}, Log());
  if (!checkpoint.ok()) {
    ADD_FAILURE() << message_of(checkpoint.status());
    return nullptr;
  }
  return *std::move(checkpoint);
}

std::map<std::string, TensorBytes> read_tensors(FileSystem& files, const std::string& path) {
  std::map<std::string, TensorBytes> tensors;
  const std::unique_ptr<Checkpoint> checkpoint = open(files, path);
  if (checkpoint == nullptr) return tensors;
  for (const TensorEntry& entry : checkpoint->manifest().entries()) {
    TensorBytes tensor{entry.dtype, entry.shape, std::string(entry.size_bytes, '\0')};
    EXPECT_TRUE(checkpoint->files()[static_cast<size_t>(entry.file)]
                    ->read_at(entry.offset, std::as_writable_bytes(std::span(tensor.bytes)))
                    .ok());
    tensors[entry.name_in_file] = std::move(tensor);
  }
  return tensors;
}

std::shared_ptr<Log> Warnings::log() {
  hadal_log_sink sink = {};
  sink.struct_size = sizeof sink;
  sink.level = HADAL_LOG_WARNING;
  sink.user_data = this;
  sink.write = [](void* user_data, int32_t, const char*, const char* text, size_t size) {
    static_cast<Warnings*>(user_data)->texts.emplace_back(text, size);
  };
  return std::make_shared<Log>(share_table(sink));
}

}  // namespace hadal::test
