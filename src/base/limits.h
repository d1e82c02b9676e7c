// Every limit of paralleljob, in one table; docs/limits.md prints it for users.
#pragma once

#include <cstddef>
#include <cstdint>

namespace pj::limits {

// Manifests (a 350-byte alias bomb grows to 48 million nodes without a budget).
inline constexpr size_t kYamlBytes = 4 << 20;
inline constexpr size_t kYamlNodes = 100'000;
inline constexpr size_t kYamlDepth = 64;
inline constexpr size_t kRegexBytes = 1024;
inline constexpr size_t kJsonDepth = 64;

// What a field may hold, in characters and entries: the validator's and the API server's limits.
inline constexpr int64_t kTextLength = 1024;
inline constexpr int64_t kArgumentsLength = 16'384;
inline constexpr int64_t kCondaFileLength = 65'536;
inline constexpr int64_t kVariableLength = 32'768;
inline constexpr int64_t kListEntries = 64;
inline constexpr int64_t kMapEntries = 256;

// Kubernetes objects.
inline constexpr size_t kJobNameBytes = 52;            // leaves 11 of 63 for generation and index
inline constexpr size_t kNameBytes = 63;               // inputs, outputs, namespaces
inline constexpr size_t kConfigMapBytes = 1 << 20;     // data + binaryData, as the API server
inline constexpr size_t kInlinePlanBytes = 256 << 10;  // larger plans lie in a file
inline constexpr size_t kCodeBytes = 4 << 20;          // packed code folder; an input's files
inline constexpr size_t kPackedFiles = 1000;           // of a volume over ConfigMaps
inline constexpr size_t kAppliedBytes = 200 << 10;     // a packed map: kubectl keeps a copy in an
                                                       // annotation, which may have 256 KiB
inline constexpr size_t kArchivedBytes = 64 << 20;     // code in an archive, unpacked
inline constexpr size_t kArchivedFiles = 10'000;

// Ledger.
inline constexpr uint64_t kShardMiniBatches = 65'536;
inline constexpr size_t kShardRecordBytes = 32 << 10;
inline constexpr size_t kErrorGroups = 8;        // a shard
inline constexpr size_t kErrorGroupIds = 5;      // first mini-batch ids of a group
inline constexpr size_t kErrorGroupBytes = 200;  // text of a group

// One mini-batch.
inline constexpr uint64_t kRowsBytes = 1ULL << 30;  // rows that one mini-batch may return
inline constexpr size_t kMessageBytes = 4 << 10;
inline constexpr size_t kTracebackBytes = 64 << 10;
inline constexpr size_t kFrameBytes = 64 << 10;  // larger messages go by memfd
inline constexpr size_t kFrameEntries = 64;

// Python processes of a local run, all instances together.
inline constexpr int64_t kLocalProcesses = 1024;

// Differences that one audit lists.
inline constexpr size_t kFindings = 1000;

// Time, in seconds.
inline constexpr int64_t kMaxTimeoutSeconds = 259'200;
inline constexpr int64_t kIntMax = 2'147'483'647;

}  // namespace pj::limits
