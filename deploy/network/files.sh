# What is written, as functions that print: nothing here changes anything. Sourced after common.sh.
# shellcheck shell=bash disable=SC2154

files() { # every file that is ours, with the function that prints it
  cat <<'END'
etc/systemd/network/10-ovr-wan.network wan
etc/systemd/network/10-ovr-gx.network gx
etc/systemd/network/10-ovr-lan.network lan
etc/nftables.d/ovr.nft firewall
etc/dnsmasq.d/ovr.conf dhcp
etc/sysctl.d/60-ovr.conf forwarding
etc/chrony/conf.d/ovr.conf clock
etc/systemd/journald.conf.d/ovr.conf logs
etc/logrotate.d/ovr rotation
etc/systemd/system/ovr-firewall.service firewall_unit
END
}

made_here() { echo "# Made by deploy/network/install from network.env; do not edit."; }

wan() {
  made_here
  printf '[Match]\nName=%s\n\n[Network]\n' "$WAN"
  if [[ $WAN_ADDRESS == dhcp ]]; then
    printf 'DHCP=yes\n'
  else
    printf 'Address=%s\n' "$WAN_ADDRESS"
    [[ -z $WAN_GATEWAY ]] || printf 'Gateway=%s\n' "$WAN_GATEWAY"
    [[ -z $WAN_DNS ]] || printf 'DNS=%s\n' "$WAN_DNS"
  fi
}

device_network() { # interface address
  made_here
  # An interface whose cable is out keeps its address: dnsmasq and the node find it when the device comes.
  printf '[Match]\nName=%s\n\n[Link]\nRequiredForOnline=no\n\n' "$1"
  printf '[Network]\nAddress=%s\nConfigureWithoutCarrier=yes\nIgnoreCarrierLoss=yes\nLinkLocalAddressing=no\n' "$2"
}

gx() { [[ -z $GX ]] || device_network "$GX" "$GX_ADDRESS"; }

lan() { [[ -z $LAN ]] || device_network "$LAN" "$LAN_ADDRESS"; }

accept_ports() { [[ -z $2 ]] || printf '    iifname "%s" tcp dport { %s } accept\n' "$1" "${2//,/, }"; }

accept_containers() { # interface ports: what Docker publishes is forwarded, not taken in
  [[ -z $2 ]] || printf '    iifname "%s" ct status dnat meta l4proto tcp ct original proto-dst { %s } accept\n' "$1" "${2//,/, }"
}

firewall() {
  local one internet=()
  [[ -z $GX ]] || internet+=("$GX")
  [[ -z $LAN || $LAN_INTERNET != yes ]] || internet+=("$LAN")
  made_here
  cat <<END
# A table of its own: whatever else is in place, such as Docker's, stays. Loaded again it replaces itself.
table inet ovr
delete table inet ovr
table inet ovr {
  chain input {
    type filter hook input priority 0; policy drop;
    ct state established,related accept
    ct state invalid drop
    iifname "lo" accept
    meta l4proto { icmp, ipv6-icmp } accept
    iifname "$WAN" udp dport 68 accept comment "our own lease"
    iifname "$WAN" ip6 saddr fe80::/10 udp dport 546 accept
END
  [[ -z $TRUSTED ]] || printf '    iifname "%s" accept\n' "$TRUSTED"
  printf '    iifname { "docker0", "br-*" } accept comment "containers"\n'
  accept_ports "$WAN" "$WAN_PORTS"
  while read -r one; do
    printf '    iifname "%s" udp dport { 53, 67, 123 } accept\n' "$one"
    printf '    iifname "%s" tcp dport 53 accept\n' "$one"
  done < <(inner)
  [[ -z $GX ]] || accept_ports "$GX" "$GX_PORTS"
  [[ -z $LAN ]] || accept_ports "$LAN" "$LAN_PORTS"
  cat <<END
  }
  # Only what comes from or goes to our devices' networks is judged: other forwarding is others' business.
  chain forward {
    type filter hook forward priority 0; policy accept;
    ct state established,related accept
END
  [[ -z $TRUSTED ]] || printf '    iifname "%s" accept\n' "$TRUSTED"
  for one in "${internet[@]}"; do
    printf '    iifname "%s" oifname "%s" accept\n' "$one" "$WAN"
  done
  [[ -z $GX ]] || accept_containers "$GX" "$GX_PORTS"
  [[ -z $LAN ]] || accept_containers "$LAN" "$LAN_PORTS"
  while read -r one; do
    printf '    iifname { "docker0", "br-*" } oifname "%s" accept\n' "$one"
    printf '    iifname "%s" drop\n    oifname "%s" drop\n' "$one" "$one"
  done < <(inner)
  printf '  }\n  chain postrouting {\n    type nat hook postrouting priority 100; policy accept;\n'
  for one in "${internet[@]}"; do
    printf '    iifname "%s" oifname "%s" masquerade\n' "$one" "$WAN"
  done
  printf '  }\n}\n'
}

firewall_unit() {
  made_here
  cat <<'END'
[Unit]
Description=Firewall and NAT of the ovr node
Documentation=file:/opt/ovr/current/docs/network.md
DefaultDependencies=no
Before=network-pre.target shutdown.target
Wants=network-pre.target
After=local-fs.target systemd-sysctl.service
Conflicts=shutdown.target

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/usr/sbin/nft -f /etc/nftables.d/ovr.nft
ExecReload=/usr/sbin/nft -f /etc/nftables.d/ovr.nft
ExecStop=/usr/sbin/nft delete table inet ovr
NoNewPrivileges=yes
CapabilityBoundingSet=CAP_NET_ADMIN
ProtectSystem=strict
ProtectHome=yes
PrivateDevices=yes
RestrictAddressFamilies=AF_NETLINK AF_UNIX
MemoryDenyWriteExecute=yes
SystemCallArchitectures=native

[Install]
WantedBy=sysinit.target
END
}

dhcp() {
  local gx_ip=${GX_ADDRESS%/*} lan_ip=${LAN_ADDRESS%/*}
  made_here
  echo "# Addresses, names and time for devices; nobody else is answered."
  printf 'bind-dynamic\nlocalise-queries\nexcept-interface=lo\ndomain-needed\nbogus-priv\ncache-size=1000\n'
  inner | sed 's/^/interface=/'
  printf 'dhcp-authoritative\ndhcp-leasefile=/var/lib/misc/dnsmasq.leases\n'
  if [[ -n $GX ]]; then
    # Two addresses, so that a GX that is swapped gets one at once; it is expected at the first.
    printf 'dhcp-range=set:gx,%s,%s,12h\n' "$GX_DEVICE_ADDRESS" "${GX_DEVICE_ADDRESS%.*}.$((${GX_DEVICE_ADDRESS##*.} + 8))"
    printf 'dhcp-option=tag:gx,option:router,%s\ndhcp-option=tag:gx,option:dns-server,%s\n' "$gx_ip" "$gx_ip"
    printf 'dhcp-option=tag:gx,option:ntp-server,%s\n' "$gx_ip"
    [[ -z $GX_DEVICE_MAC ]] || printf 'dhcp-host=%s,%s\n' "$GX_DEVICE_MAC" "$GX_DEVICE_ADDRESS"
    [[ -z $NAME ]] || printf 'interface-name=%s,%s/4\n' "$NAME" "$GX"
  fi
  if [[ -n $LAN ]]; then
    printf 'dhcp-range=set:lan,%s,12h\n' "$LAN_RANGE"
    printf 'dhcp-option=tag:lan,option:router,%s\ndhcp-option=tag:lan,option:dns-server,%s\n' "$lan_ip" "$lan_ip"
    printf 'dhcp-option=tag:lan,option:ntp-server,%s\n' "$lan_ip"
    [[ -z $NAME ]] || printf 'interface-name=%s,%s/4\n' "$NAME" "$LAN"
  fi
}

forwarding() {
  made_here
  printf 'net.ipv4.ip_forward = 1\n'
  printf 'net.ipv4.conf.all.rp_filter = 1\nnet.ipv4.conf.all.accept_redirects = 0\nnet.ipv4.conf.all.send_redirects = 0\n'
}

network_of() { # address/prefix: the network it is in
  local a b c d prefix number
  IFS=./ read -r a b c d prefix <<<"$1"
  number=$(((a << 24 | b << 16 | c << 8 | d) & (0xFFFFFFFF << (32 - prefix)) & 0xFFFFFFFF))
  printf '%d.%d.%d.%d/%d\n' $((number >> 24)) $((number >> 16 & 255)) $((number >> 8 & 255)) $((number & 255)) "$prefix"
}

clock() {
  local server
  made_here
  for server in $NTP_SERVERS; do printf 'pool %s iburst maxsources 4\n' "$server"; done
  printf '# Step at the start however wrong it is; later only slew, so that time never goes back under the recorder.\n'
  printf 'makestep 1 3\nrtcsync\n'
  [[ -z $GX ]] || printf 'allow %s\n' "$(network_of "$GX_ADDRESS")"
  [[ -z $LAN ]] || printf 'allow %s\n' "$(network_of "$LAN_ADDRESS")"
  printf '# Devices get the time even while there is no internet: the same for all is worth more than none.\nlocal stratum 10\n'
}

logs() {
  made_here
  printf '[Journal]\nSystemMaxUse=%s\nSystemKeepFree=%s\nMaxRetentionSec=%sday\n' "$LOGS_MAX" "$LOGS_KEEP_FREE" "$LOGS_DAYS"
}

rotation() {
  made_here
  printf '# The processes of a node keep their own logs short; this is the note of releases.\n'
  printf '/var/lib/ovr-releases.log {\n  size 1M\n  rotate 3\n  missingok\n  notifempty\n}\n'
}
