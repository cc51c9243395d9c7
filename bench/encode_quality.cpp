// Error and speed of the encoders beside those of ggml, whose library is given by path:
//
//   encode_quality --ggml libggml-base.so [--model GGUF-OR-DIRECTORY] [--type NAME]
//
// Tables in Markdown: the squared error, weighted with the importance where there is one, as a part
// of ggml's; then megabytes of floats per second of processor time of either, in turns. Both are
// decoded by hadal's decoders. --record prints the errors of ggml that the tests are held to.
#include <dlfcn.h>
#include <time.h>

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <string>
#include <vector>

#include "lib/checkpoint/checkpoint.hpp"
#include "lib/tensor/block_encoders.hpp"
#include "lib/tensor/block_formats.hpp"
#include "tests/tensor/encoder_rows.hpp"

namespace hadal {
namespace {

using test::kWidth;

// ggml_quantize_chunk of ggml.h.
using QuantizeChunk = size_t (*)(int type, const float* from, void* to, int64_t start,
                                 int64_t n_rows, int64_t n_per_row, const float* importance);

struct Type {
  DType dtype;
  int ggml_id;
};
constexpr Type kTypes[] = {
    {DType::kQ2_K, 10},   {DType::kQ3_K, 11}, {DType::kIQ4_XS, 23}, {DType::kQ4_K, 12},
    {DType::kQ5_K, 13},   {DType::kQ6_K, 14}, {DType::kQ4_0, 2},    {DType::kQ4_1, 3},
    {DType::kIQ4_NL, 20}, {DType::kQ5_0, 6},  {DType::kQ5_1, 7},    {DType::kQ8_0, 8},
};

struct Rows {
  std::string name;
  std::vector<float> x;  // [n, kWidth]
};

struct Result {
  double error = 0.0, seconds = 0.0;
};

double processor_seconds() {
  timespec now = {};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
}

class Comparison {
 public:
  explicit Comparison(QuantizeChunk other) : ggml_(other) {}

  Result hadal(const Type& type, const Rows& rows, const std::vector<float>& importance) {
    return measure(type, rows, importance, [&](const float* from, std::byte* to) {
      encode_row(type.dtype, from, kWidth, importance.empty() ? nullptr : importance.data(), to);
    });
  }
  Result ggml(const Type& type, const Rows& rows, const std::vector<float>& importance) {
    return measure(type, rows, importance, [&](const float* from, std::byte* to) {
      ggml_(type.ggml_id, from, to, 0, 1, kWidth, importance.empty() ? nullptr : importance.data());
    });
  }

 private:
  template <class Encode>
  Result measure(const Type& type, const Rows& rows, const std::vector<float>& importance,
                 Encode encode) {
    const auto bytes = static_cast<size_t>(row_bytes(type.dtype, kWidth));
    const size_t n = rows.x.size() / kWidth;
    encoded_.resize(n * bytes);
    decoded_.resize(rows.x.size());
    Result result;
    const double begin = processor_seconds();
    for (size_t r = 0; r < n; ++r) encode(rows.x.data() + r * kWidth, encoded_.data() + r * bytes);
    result.seconds = processor_seconds() - begin;
    decode_row(type.dtype, encoded_.data(), static_cast<int64_t>(rows.x.size()), decoded_.data());
    result.error = test::squared_error(rows.x, decoded_, importance);
    return result;
  }

  QuantizeChunk ggml_;
  std::vector<std::byte> encoded_;
  std::vector<float> decoded_;
};

// Some of each matrix of a model.
bool rows_of_model(const std::string& path, Rows& rows) {
  const auto checkpoint = open_checkpoint(*system_files(), path, {}, Log());
  if (!checkpoint.ok()) return false;
  rows.name = "model";
  for (const TensorEntry& t : (*checkpoint)->manifest().entries()) {
    const int64_t n = 8 * static_cast<int64_t>(kWidth);
    if (t.shape.size() < 2 || !info(t.dtype).is_weight || n % info(t.dtype).block_elements != 0 ||
        t.shape.back() % info(t.dtype).block_elements != 0)
      continue;
    std::vector<std::byte> bytes(static_cast<size_t>(row_bytes(t.dtype, n)));
    if (bytes.size() > t.size_bytes) continue;
    const auto& file = (*checkpoint)->files()[static_cast<size_t>(t.file)];
    if (!file->read_at(t.offset, bytes).ok()) return false;
    rows.x.resize(rows.x.size() + static_cast<size_t>(n));
    decode_row(t.dtype, bytes.data(), n, rows.x.data() + rows.x.size() - n);
  }
  return !rows.x.empty();
}

Rows random_rows(test::Shape shape, size_t n) {
  Rows rows = {test::shape_name(shape), {}};
  for (size_t r = 0; r < n; ++r) {
    const auto row = test::random_row(shape, 1 + r, kWidth);
    rows.x.insert(rows.x.end(), row.begin(), row.end());
  }
  return rows;
}

void print_errors(Comparison& comparison, const std::vector<Type>& types,
                  const std::vector<Rows>& all_rows, const std::vector<float>& importance,
                  const char* title) {
  std::printf("\n| %s |", title);
  for (const Rows& rows : all_rows) std::printf(" %s |", rows.name.c_str());
  std::printf("\n|---|");
  for (size_t i = 0; i < all_rows.size(); ++i) std::printf("---|");
  for (const Type& type : types) {
    std::printf("\n| %s |", name(type.dtype));
    for (const Rows& rows : all_rows)
      std::printf(" %.3f |", comparison.hadal(type, rows, importance).error /
                                 comparison.ggml(type, rows, importance).error);
  }
  std::printf("\n");
}

// Best of several turns each, on gaussian rows.
void print_speeds(Comparison& comparison, const std::vector<Type>& types, const Rows& rows,
                  const std::vector<float>& importance) {
  std::printf(
      "\n| MB/s of f32 | hadal | ggml | ratio | hadal, importance | ggml, importance | ratio |\n"
      "|---|---|---|---|---|---|---|");
  for (const Type& type : types) {
    std::printf("\n| %s |", name(type.dtype));
    for (const auto& w : {std::vector<float>(), importance}) {
      double ours = 1e30, theirs = 1e30;
      for (int turn = 0; turn < 7; ++turn) {
        ours = std::min(ours, comparison.hadal(type, rows, w).seconds);
        theirs = std::min(theirs, comparison.ggml(type, rows, w).seconds);
      }
      const double megabytes = 4e-6 * static_cast<double>(rows.x.size());
      std::printf(" %.0f | %.0f | %.2f |", megabytes / ours, megabytes / theirs, theirs / ours);
    }
    std::fflush(stdout);
  }
  std::printf("\n");
}

// tests/golden/ggml-encode-errors.json: ggml's squared error as a part of the rows' squares.
void print_record(Comparison& comparison, const std::vector<Type>& types,
                  const std::vector<Rows>& all_rows, const std::vector<float>& importance) {
  const std::vector<float> zeros(all_rows[0].x.size(), 0.0f);
  for (size_t t = 0; t < types.size(); ++t) {
    std::printf("%s\n  \"%s\": {", t == 0 ? "{" : ",", name(types[t].dtype));
    for (size_t r = 0; r < all_rows.size(); ++r) {
      const Rows& rows = all_rows[r];
      const auto part = [&](const std::vector<float>& w) {
        return comparison.ggml(types[t], rows, w).error / test::squared_error(rows.x, zeros, w);
      };
      std::printf("%s\"%s\": [%.6g, %.6g]", r == 0 ? "" : ", ", rows.name.c_str(), part({}),
                  part(importance));
    }
    std::printf("}");
  }
  std::printf("\n}\n");
}

int run(int argc, char** argv) {
  std::string library, model, only;
  bool record = false;
  for (int i = 1; i < argc; ++i) {
    const std::string option = argv[i];
    if (option == "--record")
      record = true;
    else if (i + 1 == argc)
      break;
    else if (option == "--ggml")
      library = argv[++i];
    else if (option == "--model")
      model = argv[++i];
    else if (option == "--type")
      only = argv[++i];
  }
  void* const opened = library.empty() ? nullptr : dlopen(library.c_str(), RTLD_LAZY);
  void* const found = opened == nullptr ? nullptr : dlsym(opened, "ggml_quantize_chunk");
  if (found == nullptr) {
    std::fprintf(stderr,
                 "usage: encode_quality --ggml libggml-base.so [--model M] [--type NAME]\n");
    return 2;
  }
  Comparison comparison(reinterpret_cast<QuantizeChunk>(found));
  std::vector<Type> types;
  for (const Type& type : kTypes)
    if (only.empty() || only == name(type.dtype)) types.push_back(type);

  std::vector<Rows> all_rows;
  for (const test::Shape shape : test::kShapes)
    all_rows.push_back(random_rows(shape, record ? test::kRecordedRows : 256));
  const std::vector<float> importance = test::random_importance(1, kWidth);
  if (record) {
    print_record(comparison, types, all_rows, importance);
    return 0;
  }
  if (!model.empty()) {
    all_rows.emplace_back();
    if (!rows_of_model(model, all_rows.back())) {
      std::fprintf(stderr, "%s: no checkpoint to read\n", model.c_str());
      return 1;
    }
  }
  print_errors(comparison, types, all_rows, {}, "without importance");
  print_errors(comparison, types, all_rows, importance, "with importance");
  print_speeds(comparison, types, all_rows[0], importance);
  return 0;
}

}  // namespace
}  // namespace hadal

int main(int argc, char** argv) { return hadal::run(argc, argv); }
