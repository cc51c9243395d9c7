// Conversions for tests: out of the toys on the disk of tests, into one in memory or a folder of
// their own.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "lib/convert/conversion.hpp"
#include "tests/convert/writable_files.hpp"

namespace hadal::test {

inline const std::string kToys = HADAL_TEST_DATA "/golden/toys/";

// A folder that goes when this does. Its path ends in a slash.
class TemporaryFolder {
 public:
  TemporaryFolder();
  ~TemporaryFolder();
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;
  const std::string& path() const { return path_; }
  std::vector<std::string> names() const;

 private:
  std::string path_;
};

ConversionTools tools(std::shared_ptr<FileSystem> files = system_files(), int n_workers = 1,
                      uint64_t budget_bytes = 0, std::shared_ptr<Log> log = nullptr);

// To the end.
absl::Status convert(const ConversionTools& tools, const std::string& from, const std::string& to,
                     const ConversionOptions& options = {});

// Every tensor of a checkpoint, by the name in its file.
struct TensorBytes {
  DType dtype;
  std::vector<int64_t> shape;
  std::string bytes;
  bool operator==(const TensorBytes&) const = default;
};
std::map<std::string, TensorBytes> read_tensors(FileSystem& files, const std::string& path);
std::unique_ptr<Checkpoint> open(FileSystem& files, const std::string& path);

// Collects what is logged as a warning.
struct Warnings {
  std::vector<std::string> texts;
  std::shared_ptr<Log> log();
};

}  // namespace hadal::test
