#include "lib/base/output_file.hpp"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <sstream>

namespace hadal {
namespace {

namespace fs = std::filesystem;

std::span<const std::byte> bytes(const std::string& text) { return std::as_bytes(std::span(text)); }

class OutputFileTest : public testing::Test {
 protected:
  OutputFileTest()
      : folder_(fs::temp_directory_path() / absl::StrCat("hadal_output_", getpid())),
        path_((folder_ / "file").string()) {
    fs::create_directories(folder_);
  }
  ~OutputFileTest() override {
    std::error_code ignored;
    fs::remove_all(folder_, ignored);
  }
  std::string text() const {
    std::ifstream in(path_, std::ios::binary);
    std::stringstream all;
    all << in.rdbuf();
    return all.str();
  }
  size_t n_files() const {
    return static_cast<size_t>(std::distance(fs::directory_iterator(folder_), {}));
  }

  const fs::path folder_;
  const std::string path_;
};

TEST_F(OutputFileTest, AppearsWhenItIsWhole) {
  auto file = OutputFile::create(system_files(), path_);
  ASSERT_TRUE(file.ok());
  EXPECT_TRUE(file->write_at(0, bytes("abcdef")).ok());
  EXPECT_TRUE(file->write_at(2, bytes("xy")).ok());
  EXPECT_FALSE(fs::exists(path_));
  EXPECT_TRUE(file->sync().ok());
  EXPECT_TRUE(file->put_in_place().ok());
  EXPECT_EQ(text(), "abxyef");
  EXPECT_EQ(n_files(), 1u);
}

TEST_F(OutputFileTest, ReplacesAtOnceOrLeavesWhatWasThere) {
  std::ofstream(path_) << "old";
  {
    auto file = OutputFile::create(system_files(), path_);
    ASSERT_TRUE(file.ok());
    EXPECT_TRUE(file->write_at(0, bytes("new")).ok());
    EXPECT_EQ(text(), "old");
  }
  EXPECT_EQ(text(), "old");
  EXPECT_EQ(n_files(), 1u);
  auto file = OutputFile::create(system_files(), path_);
  ASSERT_TRUE(file.ok());
  EXPECT_TRUE(file->write_at(0, bytes("new")).ok());
  EXPECT_TRUE(file->put_in_place().ok());
  EXPECT_EQ(text(), "new");
}

TEST_F(OutputFileTest, WhatACrashLeftIsUsedAnewAndTwoWritersAreKeptApart) {
  std::ofstream(path_ + ".part") << "left over, and longer";
  auto file = OutputFile::create(system_files(), path_);
  ASSERT_TRUE(file.ok());
  const auto other = OutputFile::create(system_files(), path_);
  EXPECT_EQ(code_of(other.status()), HADAL_E_BUSY);
  EXPECT_TRUE(file->write_at(0, bytes("new")).ok());
  EXPECT_TRUE(file->put_in_place().ok());
  EXPECT_EQ(text(), "new");
  EXPECT_TRUE(OutputFile::create(system_files(), path_).ok());
}

TEST_F(OutputFileTest, WhatCannotBe) {
  const auto nowhere = OutputFile::create(system_files(), (folder_ / "no" / "file").string());
  EXPECT_EQ(code_of(nowhere.status()), HADAL_E_IO);
  EXPECT_NE(os_error_of(nowhere.status()), 0);
  EXPECT_EQ(code_of(OutputFile::create(system_files(), std::string("a\0b", 3)).status()),
            HADAL_E_INVALID_ARGUMENT);
  fs::create_directory(path_);
  auto file = OutputFile::create(system_files(), path_);
  ASSERT_TRUE(file.ok());
  EXPECT_EQ(code_of(file->put_in_place()), HADAL_E_IO);
}

// A device that is always full.
TEST_F(OutputFileTest, AFullDiskSaysWhatWasWanted) {
  auto file = system_files()->create("/dev/full");
  ASSERT_TRUE(file.ok()) << message_of(file.status());
  const absl::Status status = (*file)->write_at(0, bytes("abc"));
  EXPECT_EQ(code_of(status), HADAL_E_NO_SPACE);
  EXPECT_NE(message_of(status).find("writing 3 bytes at byte 0"), std::string::npos);
}

TEST_F(OutputFileTest, Folders) {
  const std::string inner = (folder_ / "inner").string();
  const std::shared_ptr<FileSystem> files = system_files();
  EXPECT_TRUE(*files->make_directory(inner));
  EXPECT_FALSE(*files->make_directory(inner));
  std::ofstream(inner + "/b") << "b";
  std::ofstream(inner + "/a") << "a";
  EXPECT_TRUE(*files->make_directory(inner + "/c"));
  EXPECT_EQ(*files->list(inner), (std::vector<std::string>{"a", "b"}));
  files->remove_directory(inner);  // not empty: stays
  EXPECT_TRUE(fs::exists(inner));
  EXPECT_TRUE(files->remove(inner + "/a").ok());
  EXPECT_EQ(code_of(files->remove(inner + "/a")), HADAL_E_IO);
  files->remove_directory(inner + "/c");
  EXPECT_FALSE(fs::exists(inner + "/c"));
  EXPECT_GT(files->free_bytes(inner).value_or(0), 0u);
  EXPECT_GT(files->free_bytes(inner + "/not-yet").value_or(0), 0u);
  EXPECT_EQ(code_of(files->list(inner + "/none").status()), HADAL_E_IO);
}

}  // namespace
}  // namespace hadal
