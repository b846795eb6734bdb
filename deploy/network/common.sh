# What install, verify and undo share: the settings, read and checked once. Sourced by them.
# shellcheck shell=bash disable=SC2034

root='' dry_run=''

fail() {
  printf '%s: %s\n' "$(basename "$0")" "$*" >&2
  exit 2
}

usage() {
  sed -n '/^#   /s/^#   //p' "$0" >&2
  exit 2
}

options() { # --dry-run, --root DIR, FILE
  settings=
  while (($#)); do
    case $1 in
      --dry-run) dry_run=yes ;;
      --root) root=$(realpath "${2:?which directory}") && shift ;;
      --*) usage ;;
      *) settings=$1 ;;
    esac
    shift
  done
  readonly root dry_run settings=${settings:-$root/etc/ovr/network.env}
}

run() { # a command that changes something outside $root
  if [[ -n $dry_run || -n $root ]]; then
    printf 'would:'
    printf ' %q' "$@"
    printf '\n'
  else
    "$@"
  fi
}

interface() { [[ $2 =~ ^[A-Za-z0-9._-]{1,15}$ ]] || fail "$1 is no interface: '$2'"; }

address() { # NAME value with /
  [[ $2 =~ ^([0-9]{1,3})\.([0-9]{1,3})\.([0-9]{1,3})\.([0-9]{1,3})/([0-9]{1,2})$ ]] ||
    fail "$1 is an address such as 192.168.100.1/24, not '$2'"
  local part
  for part in "${BASH_REMATCH[@]:1:4}"; do ((part <= 255)) || fail "$1 is no address: '$2'"; done
  ((BASH_REMATCH[5] >= 8 && BASH_REMATCH[5] <= 30)) || fail "$1 needs a network between /8 and /30: '$2'"
}

ports() { [[ -z $2 || $2 =~ ^[0-9]{1,5}(,[0-9]{1,5})*$ ]] || fail "$1 lists ports such as 22,443, not '$2'"; }

read_settings() {
  [[ -r $settings ]] || fail "there is no $settings: copy deploy/network/vars.env there and change it"
  WAN='' WAN_ADDRESS=dhcp WAN_GATEWAY='' WAN_DNS='' GX='' GX_ADDRESS='' GX_DEVICE_MAC='' GX_DEVICE_ADDRESS=''
  LAN='' LAN_ADDRESS='' LAN_RANGE='' LAN_INTERNET=no NAME='' WAN_PORTS='' GX_PORTS='' LAN_PORTS='' TRUSTED=''
  NTP_SERVERS='' LOGS_MAX=200M LOGS_KEEP_FREE=1G LOGS_DAYS=7
  local line known=' WAN WAN_ADDRESS WAN_GATEWAY WAN_DNS GX GX_ADDRESS GX_DEVICE_MAC GX_DEVICE_ADDRESS LAN LAN_ADDRESS'
  known+=' LAN_RANGE LAN_INTERNET NAME WAN_PORTS GX_PORTS LAN_PORTS TRUSTED NTP_SERVERS LOGS_MAX LOGS_KEEP_FREE LOGS_DAYS '
  while read -r line; do # read, not run
    [[ -n $line && $line != '#'* ]] || continue
    [[ $line =~ ^([A-Z_]+)=(.*)$ && $known == *" ${BASH_REMATCH[1]} "* ]] || fail "$settings: what is '$line'?"
    local name=${BASH_REMATCH[1]} value=${BASH_REMATCH[2]}
    if [[ $value =~ ^\"(.*)\"$ || $value =~ ^\'(.*)\'$ ]]; then value=${BASH_REMATCH[1]}; fi
    printf -v "$name" '%s' "$value"
  done <"$settings"
  interface WAN "$WAN"
  [[ $WAN_ADDRESS == dhcp ]] || address WAN_ADDRESS "$WAN_ADDRESS"
  [[ -n $GX$LAN ]] || fail "name GX or LAN: there is nothing to set up otherwise"
  if [[ -n $GX ]]; then
    interface GX "$GX"
    address GX_ADDRESS "$GX_ADDRESS"
    [[ -z $GX_DEVICE_MAC || $GX_DEVICE_MAC =~ ^([0-9A-Fa-f]{2}:){5}[0-9A-Fa-f]{2}$ ]] ||
      fail "GX_DEVICE_MAC is such as 00:11:22:33:44:55, not '$GX_DEVICE_MAC'"
    address GX_DEVICE_ADDRESS "$GX_DEVICE_ADDRESS/24"
  fi
  if [[ -n $LAN ]]; then
    interface LAN "$LAN"
    address LAN_ADDRESS "$LAN_ADDRESS"
    local first=${LAN_RANGE%%,*} last=${LAN_RANGE##*,}
    address LAN_RANGE "$first/24"
    address LAN_RANGE "$last/24"
    [[ $LAN_INTERNET == yes || $LAN_INTERNET == no ]] || fail "LAN_INTERNET is yes or no, not '$LAN_INTERNET'"
  fi
  [[ $WAN != "$GX" && $WAN != "$LAN" && ( -z $GX || $GX != "$LAN" ) ]] || fail "WAN, GX and LAN are three interfaces"
  [[ -z $TRUSTED ]] || interface TRUSTED "$TRUSTED"
  [[ -z $NAME || $NAME =~ ^[A-Za-z0-9.-]+$ ]] || fail "NAME is no name: '$NAME'"
  ports WAN_PORTS "$WAN_PORTS"
  ports GX_PORTS "$GX_PORTS"
  ports LAN_PORTS "$LAN_PORTS"
  [[ $NTP_SERVERS =~ ^[A-Za-z0-9.:\ -]*$ ]] || fail "NTP_SERVERS lists names: '$NTP_SERVERS'"
  [[ $LOGS_MAX$LOGS_KEEP_FREE =~ ^[0-9]+[KMGT][0-9]+[KMGT]$ ]] || fail "LOGS_MAX and LOGS_KEEP_FREE are such as 200M"
  [[ $LOGS_DAYS =~ ^[0-9]+$ ]] || fail "LOGS_DAYS is a number, not '$LOGS_DAYS'"
}

inner() { # the interfaces of devices, one a line
  [[ -z $GX ]] || echo "$GX"
  [[ -z $LAN ]] || echo "$LAN"
}
