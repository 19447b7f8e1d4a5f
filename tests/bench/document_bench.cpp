// Documents and PIDF, read and written, beside a bare parse and a bare copy of the same bytes.
#include <benchmark/benchmark.h>

#include <cstring>
#include <pugixml.hpp>

#include "proto/presence.hpp"
#include "translators/sip/pidf.hpp"

using namespace presmesh;

namespace {

const std::string pidf =
    "<?xml version='1.0' encoding='UTF-8'?><presence xmlns='urn:ietf:params:xml:ns:pidf' "
    "xmlns:dm='urn:ietf:params:xml:ns:pidf:data-model' "
    "xmlns:rpid='urn:ietf:params:xml:ns:pidf:rpid' entity='pres:alice@a.example'><tuple "
    "id='t1'><status><basic>open</basic></status>"
    "<contact priority='0.8'>sip:alice@a.example</contact><note>back at "
    "three</note><timestamp>2026-11-21T12:00:00Z</timestamp></tuple>"
    "<dm:person id='p1'><rpid:activities><rpid:away/></rpid:activities></dm:person></presence>";

proto::Presence presence() {
    return translators::sip::read_pidf(proto::as_bytes(pidf))->presence;
}

void pidf_read(benchmark::State& state) {
    for (auto _ : state) benchmark::DoNotOptimize(translators::sip::read_pidf(proto::as_bytes(pidf)));
}
BENCHMARK(pidf_read);

void pidf_write(benchmark::State& state) {
    auto value = presence();
    auto entity = *proto::PresentityUri::parse("alice@a.example");
    for (auto _ : state) benchmark::DoNotOptimize(translators::sip::write_pidf(entity, value));
}
BENCHMARK(pidf_write);

void document_encode(benchmark::State& state) {
    auto value = presence();
    for (auto _ : state) benchmark::DoNotOptimize(proto::encode(value));
}
BENCHMARK(document_encode);

void pugixml_parse(benchmark::State& state) {
    for (auto _ : state) {
        pugi::xml_document document;
        benchmark::DoNotOptimize(document.load_buffer(pidf.data(), pidf.size()));
    }
}
BENCHMARK(pugixml_parse);

void memcpy_document(benchmark::State& state) {
    for (auto _ : state) benchmark::DoNotOptimize(proto::Bytes(pidf.begin(), pidf.end()));
}
BENCHMARK(memcpy_document);

}  // namespace
