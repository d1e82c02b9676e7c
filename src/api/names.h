// Names: how each enumeration of the contract is spelt, in manifests, messages and reports.
#pragma once

#include <array>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "api/parallel_job.h"

namespace pj::api {

template <class E>
using NameOf = std::pair<E, std::string_view>;

// kNames<E>: value and spelling. A data type's last entry, the literal, has no spelling of its own.
template <class E>
inline constexpr auto kNames = nullptr;
template <>
inline constexpr auto kNames<DataType> = std::to_array<NameOf<DataType>>({
    {DataType::kUriFile, "uri_file"},
    {DataType::kUriFolder, "uri_folder"},
    {DataType::kMltable, "mltable"},
    {DataType::kMlflowModel, "mlflow_model"},
    {DataType::kCustomModel, "custom_model"},
    {DataType::kTritonModel, "triton_model"},
});
template <>
inline constexpr auto kNames<InputMode> = std::to_array<NameOf<InputMode>>({
    {InputMode::kRoMount, "ro_mount"},
    {InputMode::kDownload, "download"},
    {InputMode::kDirect, "direct"},
});
template <>
inline constexpr auto kNames<OutputMode> = std::to_array<NameOf<OutputMode>>({
    {OutputMode::kRwMount, "rw_mount"},
    {OutputMode::kUpload, "upload"},
    {OutputMode::kDirect, "direct"},
});
template <>
inline constexpr auto kNames<OutputFormat> = std::to_array<NameOf<OutputFormat>>({
    {OutputFormat::kText, "text"},
    {OutputFormat::kCsv, "csv"},
    {OutputFormat::kJsonl, "jsonl"},
    {OutputFormat::kParquet, "parquet"},
});
template <>
inline constexpr auto kNames<SuccessPolicy> = std::to_array<NameOf<SuccessPolicy>>({
    {SuccessPolicy::kAuto, "Auto"},
    {SuccessPolicy::kRowCount, "RowCount"},
    {SuccessPolicy::kNoException, "NoException"},
});
template <>
inline constexpr auto kNames<LoggingLevel> = std::to_array<NameOf<LoggingLevel>>({
    {LoggingLevel::kDebug, "DEBUG"},
    {LoggingLevel::kInfo, "INFO"},
    {LoggingLevel::kWarning, "WARNING"},
});
template <>
inline constexpr auto kNames<RerunPolicy> = std::to_array<NameOf<RerunPolicy>>({
    {RerunPolicy::kAll, "All"},
    {RerunPolicy::kFailedOnly, "FailedOnly"},
});
template <>
inline constexpr auto kNames<LogsPolicy> = std::to_array<NameOf<LogsPolicy>>({
    {LogsPolicy::kKeep, "keep"},
    {LogsPolicy::kNone, "none"},
});

// The spelling; "literal" for DataType::kLiteral.
template <class E>
std::string_view ToName(E value) {
  for (const auto& [known, name] : kNames<E>) {
    if (known == value) return name;
  }
  return "literal";
}

// The value of a spelling.
template <class E>
std::optional<E> FromName(std::string_view text) {
  for (const auto& [value, name] : kNames<E>) {
    if (name == text) return value;
  }
  return std::nullopt;
}

template <class E>
std::vector<std::string_view> AllNames() {
  std::vector<std::string_view> out;
  for (const auto& entry : kNames<E>) out.push_back(entry.second);
  return out;
}

}  // namespace pj::api
