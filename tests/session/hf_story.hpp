// The trained model that ships, written out as directories in Hugging Face's layout: the same
// weights in f32, or rounded to fp8 with blocks of 128 by 128 as DeepSeek does it, or what those
// stand for in f32. Three files and an index, scales apart from their codes.
#pragma once

#include <string>

namespace hadal::test {

enum class StoryWeights { kF32, kFp8, kFp8InF32 };

// A directory that goes when this does.
class StoryDirectory {
 public:
  explicit StoryDirectory(StoryWeights weights);
  ~StoryDirectory();
  StoryDirectory(const StoryDirectory&) = delete;
  StoryDirectory& operator=(const StoryDirectory&) = delete;
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

}  // namespace hadal::test
