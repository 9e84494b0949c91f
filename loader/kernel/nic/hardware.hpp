// SPDX-License-Identifier: BSD-2-Clause
#pragma once

#include "loader/core/types.hpp"

#include <optional>
#include <string>
#include <vector>

namespace hitless {

/// Fills what rtnetlink does not tell of hardware devices: Link::driver as `ethtool -i` reports it,
/// Link::slot from /sys/bus/pci/slots, Link::acpi_index and Link::failover. Virtual devices keep
/// "".
void learn_hardware(std::vector<Link> &);

/// Whether anything answers where a device sits on its bus ("pci/0000:00:04.0"): false once its
/// configuration space reads all ones. Devices on no PCI bus always do.
bool answers_on_bus(const std::string &bus);

/// In Mbit/s, as `ethtool` shows it; nothing where the driver does not say.
std::optional<uint32_t> link_speed(const std::string &ifname);

/// Bytes that a PCI device was given and has not sent yet, as its driver counts them (BQL). Nothing
/// where it does not count, or where the caller's /sys shows the devices of another namespace.
std::optional<uint64_t> bytes_in_flight(const Link &);

/// The number by which hypervisors plug what is on this bus path into a slot; 0: unknown.
uint32_t slot_number(const std::string &bus);

/// The hypervisor offers VIRTIO_NET_F_STANDBY on this device ("virtio/virtio0").
bool offers_failover(const std::string &bus);

} // namespace hitless
