// Runs a fuzz target on stored inputs: every file of the folders given, each also cut in half and
// with one byte changed, so that a small corpus reaches a little further. No libFuzzer needed.
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);

namespace {

void run(const std::string& bytes) {
  // A copy of just this size, so that a sanitizer sees a read behind its end.
  const std::vector<uint8_t> exact(bytes.begin(), bytes.end());
  LLVMFuzzerTestOneInput(exact.data(), exact.size());
}

}  // namespace

int main(int argc, char** argv) {
  size_t n_files = 0;
  for (int i = 1; i < argc; ++i) {
    std::vector<std::filesystem::path> paths;
    if (std::filesystem::is_directory(argv[i])) {
      for (const auto& entry : std::filesystem::directory_iterator(argv[i])) {
        paths.push_back(entry.path());
      }
    } else {
      paths.push_back(argv[i]);
    }
    for (const auto& path : paths) {
      std::ifstream in(path, std::ios::binary);
      if (!in) {
        std::fprintf(stderr, "cannot read %s\n", path.c_str());
        return 1;
      }
      std::string bytes(std::istreambuf_iterator<char>(in), {});
      std::fprintf(stderr, "%s\n", path.filename().c_str());  // the last one, if it crashes
      run(bytes);
      run(bytes.substr(0, bytes.size() / 2));
      if (!bytes.empty()) {
        bytes[bytes.size() / 3] = static_cast<char>(bytes[bytes.size() / 3] ^ 0x81);
        run(bytes);
      }
      ++n_files;
    }
  }
  std::fprintf(stderr, "%zu files\n", n_files);
  return n_files == 0 ? 1 : 0;  // a replay without a corpus tests nothing
}
