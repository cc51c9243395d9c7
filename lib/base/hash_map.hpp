// The hash map of this library: the standard library's, with Abseil's hash. Abseil's own maps are
// faster, but lose their contents and their memory if an allocation throws while they grow.
#pragma once

#include <functional>
#include <type_traits>
#include <unordered_map>

#include "absl/hash/hash.h"
#include "absl/strings/string_view.h"

namespace hadal {

// Seeded anew in each process: a file cannot choose names that collide. Texts are looked up by
// string_view.
template <typename Key>
struct HashOf {
  using is_transparent = void;
  using Seen = std::conditional_t<std::is_convertible_v<const Key&, absl::string_view>,
                                  absl::string_view, Key>;
  size_t operator()(const Seen& key) const { return absl::Hash<Seen>()(key); }
};

template <typename Key, typename Value>
using HashMap = std::unordered_map<Key, Value, HashOf<Key>, std::equal_to<>>;

}  // namespace hadal
