#include "examples/cli/logits_file.hpp"

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <cstring>

#include "examples/cli/exit_codes.hpp"

namespace cli {
namespace {

constexpr char kMagic[8] = {'_', 'l', 'o', 'g', 'i', 't', 's', '_'};
constexpr size_t kHead = 4;  // of a row, in u16: step and least

size_t row_size(int32_t n_words) { return (static_cast<size_t>(n_words) + 1) / 2 * 2 + kHead; }

template <class T>
void write(std::ofstream& out, const T* from, size_t n) {
  out.write(reinterpret_cast<const char*>(from), static_cast<std::streamsize>(n * sizeof(T)));
}

}  // namespace

LogitsFileWriter::LogitsFileWriter(std::string path, int32_t context, int32_t n_words,
                                   const std::vector<int32_t>& text)
    : path_(std::move(path)), out_(path_, std::ios::binary), row_(row_size(n_words)) {
  if (!out_) throw Failure(path_ + ": " + std::strerror(errno), "Name a file that can be made.");
  const int32_t numbers[] = {context, n_words, static_cast<int32_t>(text.size()) / context};
  write(out_, kMagic, sizeof kMagic);
  write(out_, numbers, 3);
  write(out_, text.data(), static_cast<size_t>(numbers[2]) * static_cast<size_t>(context));
}

void LogitsFileWriter::add(const std::vector<float>& log_p) {
  const auto [lowest, highest] = std::minmax_element(log_p.begin(), log_p.end());
  const float least = std::max(*lowest, *highest - 16.0f);
  const float step = (*highest - least) / 65535.0f;
  std::memcpy(row_.data(), &step, sizeof step);
  std::memcpy(row_.data() + 2, &least, sizeof least);
  for (size_t i = 0; i < log_p.size(); ++i) {
    const float steps = step > 0.0f && log_p[i] > least ? (log_p[i] - least) / step : 0.0f;
    row_[kHead + i] = static_cast<uint16_t>(std::lround(std::min(steps, 65535.0f)));
  }
  write(out_, row_.data(), row_.size());
}

void LogitsFileWriter::finish() {
  out_.close();
  if (!out_) throw Failure(path_ + ": could not be written", "Is the disk full?");
}

LogitsFileReader::LogitsFileReader(std::string path)
    : path_(std::move(path)), in_(path_, std::ios::binary) {
  if (!in_) throw Failure(path_ + ": " + std::strerror(errno), "Make it with --save-logits.");
  const auto refuse = [this](const std::string& what) {
    throw Failure(
        path_ + ": " + what,
        "Give a file that --save-logits, or llama-perplexity's --save-all-logits, wrote.");
  };
  in_.seekg(0, std::ios::end);
  const auto size = static_cast<uint64_t>(in_.tellg());
  in_.seekg(0);
  char magic[8] = {};
  read(magic, sizeof magic);
  if (std::memcmp(magic, kMagic, sizeof magic) != 0) refuse("no file of logits");
  int32_t numbers[3] = {};
  read(numbers, 3);
  context_ = numbers[0];
  n_words_ = numbers[1];
  n_windows_ = numbers[2];
  if (context_ < 3 || n_words_ < 1 || n_windows_ < 1) refuse("its numbers make no sense");
  // Each factor has 31 bits: nothing here is as large as 2^64 before it is compared.
  const uint64_t n_tokens = static_cast<uint64_t>(context_) * static_cast<uint64_t>(n_windows_);
  const auto n_scored = static_cast<uint64_t>(context_ - 1 - context_ / 2);
  const uint64_t before = sizeof magic + sizeof numbers;
  if (n_tokens > size / sizeof(int32_t)) refuse("it ends before its text does");
  const uint64_t rows = n_scored * static_cast<uint64_t>(n_windows_);
  const uint64_t bytes_of_row = row_size(n_words_) * sizeof(uint16_t);
  if (rows > size / bytes_of_row ||
      before + n_tokens * sizeof(int32_t) + rows * bytes_of_row > size) {
    refuse("it ends before its last window");
  }
  text_.resize(n_tokens);
  read(text_.data(), text_.size());
  for (const int32_t token : text_) {
    if (token < 0 || token >= n_words_) refuse("its text has a token that is no word");
  }
  row_.resize(row_size(n_words_));
}

template <class T>
void LogitsFileReader::read(T* to, size_t n) {
  in_.read(reinterpret_cast<char*>(to), static_cast<std::streamsize>(n * sizeof(T)));
  if (!in_) throw Failure(path_ + ": it ends too early", "Was it written to its end?");
}

void LogitsFileReader::next(std::vector<float>& log_p) {
  read(row_.data(), row_.size());
  float step = 0.0f, least = 0.0f;
  std::memcpy(&step, row_.data(), sizeof step);
  std::memcpy(&least, row_.data() + 2, sizeof least);
  if (!std::isfinite(step) || !std::isfinite(least)) {
    throw Failure(path_ + ": a row is not finite", "Write it again.");
  }
  log_p.resize(static_cast<size_t>(n_words_));
  for (size_t i = 0; i < log_p.size(); ++i)
    log_p[i] = least + step * static_cast<float>(row_[kHead + i]);
}

}  // namespace cli
