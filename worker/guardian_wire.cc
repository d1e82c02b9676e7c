#include "worker/guardian_wire.h"

#include <array>

#include "base/byte_io.h"

namespace pj::worker {
namespace {

void PutTexts(const std::vector<std::string>& texts, ByteWriter* out) {
  out->Varint(texts.size());
  for (const std::string& text : texts) out->Bytes(text);
}

void TakeTexts(ByteReader* in, std::vector<std::string>* out) {
  for (uint64_t n = in->Varint(); n > 0 && in->ok(); --n) out->emplace_back(in->Bytes());
}

// One list of the fields for both directions.
std::array<uint64_t*, 8> FieldsOf(report::ProcessSample* s) {
  return {&s->user_ticks, &s->system_ticks, &s->threads,    &s->resident_bytes,
          &s->reads,      &s->writes,       &s->read_bytes, &s->write_bytes};
}

}  // namespace

std::string EncodeSpawn(const SpawnRequest& request) {
  ByteWriter out;
  PutTexts(request.argv, &out);
  out.Varint(request.env.size());
  for (const auto& [name, value] : request.env) {
    out.Bytes(name);
    out.Bytes(value);
  }
  out.Bytes(request.cwd);
  return std::move(out.str());
}

bool DecodeSpawn(std::string_view bytes, SpawnBody* out) {
  ByteReader in(bytes);
  TakeTexts(&in, &out->argv);
  for (uint64_t n = in.Varint(); n > 0 && in.ok(); --n) {
    const std::string name(in.Bytes());
    out->env.emplace_back(name, in.Bytes());
  }
  out->cwd = in.Bytes();
  return in.ok() && in.AtEnd() && !out->argv.empty();
}

std::string EncodeCopy(const CodeCopy& copy) {
  ByteWriter out;
  out.Bytes(copy.from);
  out.Bytes(copy.to);
  PutTexts(copy.exclude, &out);
  return std::move(out.str());
}

bool DecodeCopy(std::string_view bytes, CodeCopy* out) {
  ByteReader in(bytes);
  out->from = in.Bytes();
  out->to = in.Bytes();
  TakeTexts(&in, &out->exclude);
  return in.ok() && in.AtEnd() && !out->from.empty() && !out->to.empty();
}

std::string EncodeOutcome(const Status& outcome) {
  ByteWriter out;
  out.U8(outcome ? 0 : 1);
  if (outcome) return std::move(out.str());
  const Error& error = outcome.error();
  out.U8(static_cast<uint8_t>(error.code));
  for (const std::string* text : {&error.message, &error.where, &error.hint}) out.Bytes(*text);
  return std::move(out.str());
}

bool DecodeOutcome(std::string_view bytes, Status* out) {
  ByteReader in(bytes);
  if (in.U8() == 0) return in.ok() && in.AtEnd();
  Error error;
  error.code = static_cast<Code>(in.U8());
  for (std::string* text : {&error.message, &error.where, &error.hint}) *text = in.Bytes();
  if (!in.ok() || !in.AtEnd() || error.code > Code::kInternal) return false;
  *out = std::unexpected(std::move(error));
  return true;
}

std::string EncodeFacts(const HostFacts& facts) {
  ByteWriter out;
  out.U32(static_cast<uint32_t>(facts.pid));
  out.U64(facts.oom_kills);
  out.U32(facts.cores);
  PutTexts(facts.gpus, &out);
  out.U8(facts.threads_set ? 1 : 0);
  return std::move(out.str());
}

bool DecodeFacts(std::string_view bytes, HostFacts* out) {
  ByteReader in(bytes);
  out->pid = static_cast<int>(in.U32());
  out->oom_kills = in.U64();
  out->cores = in.U32();
  TakeTexts(&in, &out->gpus);
  out->threads_set = in.U8() != 0;
  return in.ok() && in.AtEnd() && out->cores > 0;
}

std::string EncodePids(const std::vector<int>& pids) {
  ByteWriter out;
  for (const int pid : pids) out.U32(static_cast<uint32_t>(pid));
  return std::move(out.str());
}

bool DecodePids(std::string_view bytes, std::vector<int>* out) {
  ByteReader in(bytes);
  while (in.ok() && !in.AtEnd()) out->push_back(static_cast<int>(in.U32()));
  return in.ok();
}

std::string EncodeSamples(const Samples& samples) {
  ByteWriter out;
  for (std::optional<report::ProcessSample> sample : samples) {
    out.U8(sample ? 1 : 0);
    if (!sample) continue;
    for (const uint64_t* field : FieldsOf(&*sample)) out.U64(*field);
  }
  return std::move(out.str());
}

bool DecodeSamples(std::string_view bytes, Samples* out) {
  ByteReader in(bytes);
  while (in.ok() && !in.AtEnd()) {
    std::optional<report::ProcessSample>& sample = out->emplace_back();
    if (in.U8() == 0) continue;
    sample.emplace();
    for (uint64_t* field : FieldsOf(&*sample)) *field = in.U64();
  }
  return in.ok();
}

}  // namespace pj::worker
