#include "overlay/trace.hpp"

#include "proto/bytes.hpp"

namespace presmesh::overlay {

namespace {

std::string prefix(proto::BytesView bytes) {
    return proto::to_hex(bytes.first(4));
}

}  // namespace

std::string trace_detail(const proto::NodeId& node, const proto::Sequence& sequence,
                         const proto::DocumentPtr& document) {
    return "node=" + prefix(node) + " sequence=" + std::to_string(sequence.epoch) + "." +
           std::to_string(sequence.counter) + " digest=" + (document ? prefix(document->digest) : "none");
}

}  // namespace presmesh::overlay
