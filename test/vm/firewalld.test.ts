/** Beside firewalld of Debian 12, in the virtual machine; its packages come from Debian, and that takes minutes there. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { runInVm, vmSkip } from '../harness/vm.ts';

const skip =
  vmSkip() ||
  (process.env.GANTRY_TEST_VM_FIREWALLD !== '1' &&
    'this machine lacks GANTRY_TEST_VM_FIREWALLD=1 (minutes, and packages from Debian)');

const script = `
export DEBIAN_FRONTEND=noninteractive DOCKER_HOST=unix:///tmp/gantry.sock
apt-get update -qq && apt-get install -y -qq --no-install-recommends firewalld dbus >/dev/null || exit 1
mkdir -p /run/dbus && dbus-daemon --system --fork && (firewalld --nofork >/tmp/firewalld.log 2>&1 &)
for i in $(seq 120); do firewall-cmd --state >/dev/null 2>&1 && break; sleep 1; done
firewall-cmd --state || { cat /tmp/firewalld.log; exit 1; }
ip netns add beside && ip link add wan type veth peer name lan netns beside
ip addr add 198.51.100.1/24 dev wan && ip link set wan up
ip -n beside addr add 198.51.100.2/24 dev lan && ip -n beside link set lan up && ip -n beside link set lo up
mkdir -p /tmp/www && echo beside >/tmp/www/name && ip netns exec beside busybox httpd -p 80 -h /tmp/www
mkdir -p /tmp/root/bin /tmp/root/www && echo web >/tmp/root/www/name && cp /usr/bin/busybox /tmp/root/bin/busybox
tar -C /tmp/root -cf /tmp/image.tar .
./gantry daemon --host $DOCKER_HOST --data-root /scratch/data --exec-root /tmp/run --pidfile /tmp/pid >/tmp/log 2>&1 &
until docker version >/dev/null 2>&1; do [ -d /proc/$! ] || { cat /tmp/log; exit 1; }; done
docker import /tmp/image.tar image >/dev/null
docker run -d --name web -p 8080:80 image /bin/busybox httpd -f -p 80 -h /www >/dev/null || exit 1
ask() { printf 'GET /name HTTP/1.0\\r\\n\\r\\n' | $1 busybox nc -w 5 $2 $3 | tail -n 1; }
look() {
  for i in $(seq 20); do
    out=$(printf 'GET /name HTTP/1.0\\r\\n\\r\\n' | docker exec -i web /bin/busybox nc -w 5 198.51.100.2 80 | tail -n 1)
    [ "$out" = beside ] && break
    sleep 1
  done
  echo "$1 out: $out"
  echo "$1 in: $(ask 'ip netns exec beside' 198.51.100.1 8080)"
}
look before
firewall-cmd --reload
look reloaded
nft list chain inet firewalld filter_FORWARD | grep -c 'gantry: packets'
`;

test('beside firewalld containers reach the outside and are reached, also after its reload', { skip }, async () => {
  const { code, output } = await runInVm(script, ['--nic', '--timeout', '900']);
  assert.equal(code, 0, output);
  for (const when of ['before', 'reloaded']) {
    assert.match(output, new RegExp(`^${when} out: beside$`, 'm'), output);
    assert.match(output, new RegExp(`^${when} in: web$`, 'm'), output);
  }
  assert.match(output, /^2$/m, output);
});
