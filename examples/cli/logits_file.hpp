// What a model expected at every scored token of a text, in a file: the layout that llama.cpp's
// llama-perplexity writes with --save-all-logits and reads with --kl-divergence-base, so that
// either program can be the base of the other.
//
//   "_logits_", context (u32), words (i32), windows (i32), the text's tokens (i32, windows x
//   context), then, for each scored token of half_scored_windows(): step (f32), least (f32) and for
//   each word a u16, whose log-probability is least + step x u16; two of them more if the words are
//   odd.
//
// Log-probabilities less than 16 below the best are kept with an error of 0.00012; what is below
// counts as no more than e^-16. Numbers are little-endian.
#pragma once

#include <cstdint>
#include <fstream>
#include <string>
#include <vector>

namespace cli {

// Below this log-probability a file's words are not told apart.
inline constexpr double kLeastInFile = -16.0;

class LogitsFileWriter {
 public:
  // Failure if the file cannot be made. `text` holds all windows.
  LogitsFileWriter(std::string path, int32_t context, int32_t n_words,
                   const std::vector<int32_t>& text);
  void add(const std::vector<float>& log_p);  // of all words
  void finish();                              // Failure if it is not all on its way to the disk

 private:
  std::string path_;
  std::ofstream out_;
  std::vector<uint16_t> row_;
};

class LogitsFileReader {
 public:
  // Failure if it is no such file.
  explicit LogitsFileReader(std::string path);
  int32_t context() const { return context_; }
  int32_t n_words() const { return n_words_; }
  const std::vector<int32_t>& text() const { return text_; }
  // The next scored token's.
  void next(std::vector<float>& log_p);

 private:
  template <class T>
  void read(T* to, size_t n);

  std::string path_;
  std::ifstream in_;
  int32_t context_ = 0, n_words_ = 0, n_windows_ = 0;
  std::vector<int32_t> text_;
  std::vector<uint16_t> row_;
};

}  // namespace cli
