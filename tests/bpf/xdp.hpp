// SPDX-License-Identifier: BSD-2-Clause
//
// The programs of a failover device over the maps of a pair, attached nowhere; "far" ends of the
// bed play the inner end.
#pragma once

#include "tests/bpf/datapath.hpp"

#include "loader/core/error.hpp"

#include <bpf/bpf.h>
#include <cerrno>
#include <xdp.skel.h>

namespace hitless::test {

class Forward {
  public:
    explicit Forward(const std::shared_ptr<Bed> &nics = untouched()) : pair(nics) {
        skel_.reset(xdp_bpf::open());
        auto &maps = skel_->maps;
        const auto &from = pair.dp.skel().maps;
        for (auto [to, map] : {std::pair(maps.data_pair, from.data_pair),
                               std::pair(maps.rodata_knobs, from.rodata_knobs),
                               std::pair(maps.counters, from.counters),
                               std::pair(maps.bell, from.bell), std::pair(maps.twins, from.twins)})
            if (bpf_map__reuse_fd(to, bpf_map__fd(map))) throw Error(errno, "share a map");
        if (!pair.dp.has(HL_LIVENESS_CAST))
            for (bpf_program *program :
                 {skel_->progs.hl_outward_cast, skel_->progs.hl_inward_primary_cast,
                  skel_->progs.hl_inward_standby_cast, skel_->progs.hl_xdp_outward_cast,
                  skel_->progs.hl_xdp_inward_primary_cast, skel_->progs.hl_xdp_inward_standby_cast})
                bpf_program__set_autoload(program, false);
        if (int error = xdp_bpf::load(skel_.get())) throw Error(-error, "load the XDP object");
        port(HL_ROLE_PRIMARY, pair.bed.primary);
        port(HL_ROLE_STANDBY, pair.bed.standby);
        port(HL_PORT_INNER, ifindex_of("sby_far"));
        port(HL_PORT_MASTER, ifindex_of("pri_far"));
    }

    void port(uint32_t key, uint32_t ifindex) const {
        if (bpf_map_update_elem(bpf_map__fd(skel_->maps.ports), &key, &ifindex, BPF_ANY))
            throw Error(errno, "set a port");
    }
    void no_port(uint32_t key) const { bpf_map_delete_elem(bpf_map__fd(skel_->maps.ports), &key); }
    int run(const bpf_program *program, const Frame &frame) const {
        LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = frame.data(),
                    .data_size_in = static_cast<uint32_t>(frame.size()));
        if (int error = bpf_prog_test_run_opts(bpf_program__fd(program), &opts))
            throw Error(-error, std::string("run ") + bpf_program__name(program));
        return static_cast<int>(opts.retval);
    }
    int in(hl_role role, const Frame &frame) const {
        return run(role == HL_ROLE_PRIMARY ? skel_->progs.hl_xdp_inward_primary_probe_read
                                           : skel_->progs.hl_xdp_inward_standby_probe_read,
                   frame);
    }
    int out(const Frame &frame = Frame(64, 0)) const {
        return run(skel_->progs.hl_xdp_outward_probe_read, frame);
    }
    const xdp_bpf &skel() const { return *skel_; }

    Pair pair;

  private:
    struct Destroy {
        void operator()(xdp_bpf *skel) const { xdp_bpf::destroy(skel); }
    };
    std::unique_ptr<xdp_bpf, Destroy> skel_;
};

} // namespace hitless::test
