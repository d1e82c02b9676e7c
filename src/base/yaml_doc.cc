// The only user of yaml-cpp: its events become a tree, with what its own nodes get wrong
// (positions, duplicate keys, `<<`, unbounded aliases) done here.
#include "base/yaml_doc.h"

#include <fmt/core.h>
#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/parser.h>

#include <algorithm>
#include <exception>
#include <memory>
#include <sstream>
#include <unordered_map>

#include "base/limits.h"
#include "base/utf8.h"
#include "base/yaml_source.h"
#include "base/yaml_text_map.h"

namespace pj {
namespace {

// Thrown by our handler to leave yaml-cpp's parser; never leaves ParseYaml.
struct Refused {
  Diagnostic diagnostic;
};

// A node of the graph before aliases are copied out. A mapping's children are key, value, key,
// value …
struct Raw {
  YamlNode node;
  std::vector<std::shared_ptr<Raw>> children;
  std::shared_ptr<Raw> target;  // an alias
  bool open = true;             // still being read: an alias to it would never end
  size_t nodes = 1;             // of the tree that it becomes
  size_t bytes = 0;
  size_t depth = 1;
};
using RawPtr = std::shared_ptr<Raw>;

std::string ShortTag(const std::string& tag) {
  constexpr std::string_view kPrefix = "tag:yaml.org,2002:";
  if (tag == "?") return {};
  if (tag.starts_with(kPrefix)) return "!!" + tag.substr(kPrefix.size());
  return tag;
}

bool IsKnownTag(const std::string& tag) {
  for (const char* known :
       {"", "!", "!!str", "!!int", "!!float", "!!bool", "!!null", "!!map", "!!seq", "!!merge"}) {
    if (tag == known) return true;
  }
  return false;
}

class GraphBuilder : public YAML::EventHandler {
 public:
  GraphBuilder(const YamlSource& source, YamlDialect dialect, Diagnostics* out)
      : source_(source), dialect_(dialect), out_(out) {}

  const RawPtr& root() const { return root_; }

  void OnDocumentStart(const YAML::Mark& mark) override {
    anchors_.clear();
    stack_.clear();
    root_ = nullptr;
    if (documents_++ > 0) RequireSeparator(Offset(mark));
  }
  void OnDocumentEnd() override {}
  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    const bool is_key = !stack_.empty() && stack_.back()->node.kind == YamlNode::Kind::kMapping &&
                        stack_.back()->children.size() % 2 == 0;
    const size_t offset = is_key ? Offset(mark) : NullOffset(source_, Offset(mark));
    RawPtr raw = NewNode(YamlNode::Kind::kNull, offset, "");
    raw->open = false;
    Anchor(anchor, raw);
    Attach(std::move(raw));
  }
  void OnAlias(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    const auto found = anchors_.find(anchor);
    if (found == anchors_.end()) Refuse(Offset(mark), "this alias names no anchor", "");
    if (found->second->open) {
      Refuse(Offset(mark), "this alias stands inside the value that it names",
             "write the value out, or name another anchor");
    }
    RawPtr raw = NewNode(found->second->node.kind, Offset(mark), "");
    raw->target = found->second;
    raw->nodes = found->second->nodes;
    raw->bytes = found->second->bytes;
    raw->depth = found->second->depth;
    raw->open = false;
    Attach(std::move(raw));
  }
  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                const std::string& value) override {
    const size_t offset = Offset(mark);
    RawPtr raw = NewNode(YamlNode::Kind::kScalar, offset, tag == "!" ? "" : tag);
    raw->node.scalar = value;
    raw->bytes = value.size();
    if (value.find('\0') != std::string::npos) Refuse(offset, "the text holds a NUL", "remove it");
    const ScalarStyle style = FindScalarStyle(source_, offset);
    if (!style.closed) Refuse(offset, "this quoted text has no end", "close the quote");
    raw->node.plain = style.kind == ScalarStyle::Kind::kPlain;
    raw->node.text_places = MapText(source_, style, value);
    NoteTabs(style);
    raw->open = false;
    Anchor(anchor, raw);
    Attach(std::move(raw));
  }
  void OnSequenceStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                       YAML::EmitterStyle::value) override {
    Push(YamlNode::Kind::kSequence, mark, tag, anchor);
  }
  void OnSequenceEnd() override { Pop(); }
  void OnMapStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                  YAML::EmitterStyle::value) override {
    Push(YamlNode::Kind::kMapping, mark, tag, anchor);
  }
  void OnMapEnd() override {
    CheckKeys(*stack_.back());
    Pop();
  }

  // A line whose indentation holds a tab and that is not part of a text block; 0 = none.
  int TabLine() const {
    auto text = text_lines_.begin();  // in the order of the file
    for (int line = source_.NextTabLine(0); line > 0; line = source_.NextTabLine(line)) {
      while (text != text_lines_.end() && text->second < line) ++text;
      if (text == text_lines_.end() || line <= text->first) return line;
    }
    return 0;
  }

 private:
  size_t Offset(const YAML::Mark& mark) const { return static_cast<size_t>(std::max(mark.pos, 0)); }

  [[noreturn]] void Refuse(size_t offset, std::string message, std::string hint) const {
    throw Refused{source_.ErrorAt(offset, std::move(message), std::move(hint))};
  }

  // yaml-cpp reads what follows a document's end as one more document.
  void RequireSeparator(size_t offset) const {
    if (source_.text().substr(offset).starts_with("---")) return;
    for (int line = source_.At(offset).line - 1; line > 0; --line) {
      const std::string_view text = source_.Line(line);
      if (text.starts_with("...") || text.starts_with("%")) return;
      const size_t content = text.find_first_not_of(" \t");
      if (content != std::string_view::npos && text[content] != '#') break;
    }
    Refuse(offset, "unexpected text after the end of the document",
           "check indentation and quotes here, or separate documents by ---");
  }

  RawPtr NewNode(YamlNode::Kind kind, size_t offset, const std::string& tag) {
    auto raw = std::make_shared<Raw>();
    const YamlSource::Place place = source_.At(offset);
    raw->node.kind = kind;
    raw->node.line = place.line;
    raw->node.column = place.column;
    raw->node.tag = ShortTag(tag);
    if (!IsKnownTag(raw->node.tag)) {
      Refuse(offset, fmt::format("the tag {} is not supported", raw->node.tag), "remove it");
    }
    if (++made_ > limits::kYamlNodes) RefuseSize(offset);
    return raw;
  }

  [[noreturn]] void RefuseSize(size_t offset) const {
    Refuse(offset,
           fmt::format("more than {} values, or more than {} bytes of text, aliases counted as "
                       "often as they are used",
                       limits::kYamlNodes, limits::kYamlBytes),
           "use fewer aliases, or split the file");
  }

  void Anchor(YAML::anchor_t anchor, const RawPtr& raw) {
    if (anchor != YAML::NullAnchor) anchors_[anchor] = raw;
  }

  void Push(YamlNode::Kind kind, const YAML::Mark& mark, const std::string& tag,
            YAML::anchor_t anchor) {
    RawPtr raw = NewNode(kind, Offset(mark), tag == "!" ? "" : tag);
    if (stack_.size() >= limits::kYamlDepth) {
      Refuse(Offset(mark), fmt::format("nested deeper than {} levels", limits::kYamlDepth), "");
    }
    Anchor(anchor, raw);
    stack_.push_back(std::move(raw));
  }

  void Pop() {
    RawPtr raw = std::move(stack_.back());
    stack_.pop_back();
    raw->open = false;
    Attach(std::move(raw));
  }

  void Attach(RawPtr raw) {
    if (stack_.empty()) {
      root_ = std::move(raw);
      return;
    }
    Raw& parent = *stack_.back();
    parent.nodes += raw->nodes;
    parent.bytes += raw->bytes;
    parent.depth = std::max(parent.depth, raw->depth + 1);
    const size_t offset = source_.LineStart(raw->node.line);
    if (parent.nodes > limits::kYamlNodes || parent.bytes > limits::kYamlBytes) RefuseSize(offset);
    if (parent.depth > limits::kYamlDepth) {
      Refuse(offset, fmt::format("nested deeper than {} levels", limits::kYamlDepth), "");
    }
    parent.children.push_back(std::move(raw));
  }

  // Keys are text, and each stands once.
  void CheckKeys(const Raw& map) const {
    std::unordered_map<std::string_view, const YamlNode*> seen;
    for (size_t i = 0; i + 1 < map.children.size(); i += 2) {
      const Raw& shell = *map.children[i];
      const YamlNode& key = shell.target ? shell.target->node : shell.node;
      Diagnostic d;
      d.file = source_.file();
      d.line = shell.node.line;
      d.column = shell.node.column;
      if (key.kind != YamlNode::Kind::kScalar) {
        d.message = "a key must be text";
        d.hint = "put it in quotes, and a value that begins with {{ or ${{ too";
        throw Refused{d};
      }
      if (key.plain && key.scalar == "<<") continue;
      const auto [first, fresh] = seen.emplace(key.scalar, &shell.node);
      if (fresh) continue;
      d.field = key.scalar;
      d.message = fmt::format("this key stands here twice, first in line {}", first->second->line);
      d.hint = "remove one of them";
      if (dialect_ == YamlDialect::kPython) {
        d.severity = Severity::kWarning;
        d.message += "; the last one counts";
      }
      out_->Add(std::move(d));
    }
  }

  void NoteTabs(const ScalarStyle& style) {
    if (style.kind != ScalarStyle::Kind::kPlain && style.last_line > style.first_line) {
      text_lines_.emplace_back(style.first_line, style.last_line);
    }
  }

  const YamlSource& source_;
  YamlDialect dialect_;
  Diagnostics* out_;
  std::unordered_map<YAML::anchor_t, RawPtr> anchors_;
  std::vector<RawPtr> stack_;
  std::vector<std::pair<int, int>> text_lines_;
  RawPtr root_;
  size_t made_ = 0;
  int documents_ = 0;
};

// Copies aliases out and merges `<<`. The budgets were checked before.
class Expander {
 public:
  Expander(const YamlSource& source, YamlDialect dialect) : source_(source), dialect_(dialect) {}

  YamlNode Expand(const Raw& raw) const {
    if (raw.target) {
      YamlNode copy = Expand(*raw.target);
      copy.line = raw.node.line;
      copy.column = raw.node.column;
      return copy;
    }
    YamlNode node = raw.node;
    if (node.kind == YamlNode::Kind::kSequence) {
      for (const RawPtr& child : raw.children) node.items.push_back(Expand(*child));
    }
    if (node.kind == YamlNode::Kind::kMapping) ExpandMapping(raw, &node);
    return node;
  }

 private:
  void ExpandMapping(const Raw& raw, YamlNode* node) const {
    std::vector<YamlNode> merged;
    std::unordered_map<std::string, size_t> places;  // key → its entry
    for (size_t i = 0; i + 1 < raw.children.size(); i += 2) {
      YamlNode key = Expand(*raw.children[i]);
      YamlNode value = Expand(*raw.children[i + 1]);
      if (key.plain && key.scalar == "<<") {
        CollectMerge(std::move(value), &merged);
        continue;
      }
      const auto [place, fresh] = places.emplace(key.scalar, node->entries.size());
      if (fresh)
        node->entries.emplace_back(std::move(key), std::move(value));
      else
        node->entries[place->second] = {std::move(key), std::move(value)};
    }
    for (YamlNode& map : merged) {
      for (auto& entry : map.entries) {
        if (places.emplace(entry.first.scalar, 0).second) node->entries.push_back(std::move(entry));
      }
    }
  }

  void CollectMerge(YamlNode value, std::vector<YamlNode>* merged) const {
    const auto refuse = [&](const YamlNode& at) {
      Diagnostic d;
      d.file = source_.file();
      d.line = at.line;
      d.column = at.column;
      d.field = "<<";
      d.message =
          fmt::format("takes a mapping or a list of mappings, not {}", DescribeNode(at, dialect_));
      d.hint = "name an anchor of a mapping: <<: *defaults";
      throw Refused{d};
    };
    if (value.kind == YamlNode::Kind::kMapping) {
      merged->push_back(std::move(value));
      return;
    }
    if (value.kind != YamlNode::Kind::kSequence) refuse(value);
    for (YamlNode& item : value.items) {
      if (item.kind != YamlNode::Kind::kMapping) refuse(item);
      merged->push_back(std::move(item));
    }
  }

  const YamlSource& source_;
  YamlDialect dialect_;
};

Diagnostic TabError(const YamlSource& source, int line) {
  const size_t start = source.LineStart(line);
  return source.ErrorAt(start + source.Line(line).find('\t'), "a tab in the indentation",
                        "YAML is indented by spaces");
}

// yaml-cpp's syntax error in our words where its own are hard to read.
Diagnostic SyntaxError(const YamlSource& source, const YAML::Exception& error) {
  const size_t offset = static_cast<size_t>(std::max(error.mark.pos, 0));
  const int line = source.At(offset).line;
  const int tab = source.NextTabLine(0);
  if (tab > 0 && tab <= line + 1) return TabError(source, tab);
  std::string hint = "check indentation, quotes and brackets here and in the lines above";
  if (source.Line(line).find("${{") != std::string_view::npos) {
    hint = "a value that begins with ${{ inside braces or brackets must stand in quotes";
  }
  return source.ErrorAt(offset, "not valid YAML: " + error.msg, std::move(hint));
}

void ParseDocuments(const YamlSource& source, YamlDialect dialect, Diagnostics* out,
                    std::vector<YamlNode>* documents) {
  std::istringstream stream{std::string(source.text())};
  YAML::Parser parser(stream);
  GraphBuilder builder(source, dialect, out);
  const Expander expander(source, dialect);
  while (parser.HandleNextDocument(builder)) {
    documents->push_back(builder.root() ? expander.Expand(*builder.root()) : YamlNode{});
  }
  if (const int line = builder.TabLine(); line > 0) out->Add(TabError(source, line));
}

}  // namespace

const YamlNode* YamlNode::Find(std::string_view key) const {
  for (auto entry = entries.rbegin(); entry != entries.rend(); ++entry) {
    if (entry->first.scalar == key) return &entry->second;
  }
  return nullptr;
}

YamlNode::TextPlace YamlNode::PlaceOf(size_t offset) const {
  TextPlace from{0, line, column + (kind == Kind::kScalar && !plain ? 1 : 0)};
  const auto next =
      std::upper_bound(text_places.begin(), text_places.end(), offset,
                       [](size_t value, const TextPlace& place) { return value < place.offset; });
  if (next != text_places.begin()) from = *std::prev(next);
  offset = std::min(offset, scalar.size());
  if (offset <= from.offset) return from;
  const std::string_view between =
      std::string_view(scalar).substr(from.offset, offset - from.offset);
  from.column += static_cast<int>(CountCodePoints(between));
  from.offset = offset;
  return from;
}

std::vector<YamlNode> ParseYaml(std::string_view text, const std::string& file, YamlDialect dialect,
                                Diagnostics* out) {
  if (text.starts_with("\xEF\xBB\xBF")) text.remove_prefix(3);
  const YamlSource source(text, file);
  Diagnostics found;
  std::vector<YamlNode> documents;
  if (source.Check(&found)) {
    try {
      ParseDocuments(source, dialect, &found, &documents);
    } catch (const Refused& refused) {
      found.Add(refused.diagnostic);
    } catch (const YAML::Exception& error) {
      found.Add(SyntaxError(source, error));
    } catch (const std::exception& error) {
      found.Add(source.ErrorAt(0, fmt::format("not valid YAML: {}", error.what())));
    }
  }
  for (const Diagnostic& d : found.all()) out->Add(d);
  if (found.HasErrors()) return {};
  return documents;
}

}  // namespace pj
