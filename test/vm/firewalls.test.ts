/** Beside firewalld and ufw of Debian 12, in the virtual machine; its packages come from Debian, and that takes minutes there. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { runInVm, testInVm, vmSkip } from '../harness/vm.ts';

const skip =
  vmSkip() ||
  (process.env.GANTRY_TEST_VM_FIREWALLD !== '1' &&
    'this machine lacks GANTRY_TEST_VM_FIREWALLD=1 (minutes, and packages from Debian)');

type Firewall = {
  readonly packages: string;
  /** Gets it to work, before the daemon starts. */
  readonly begin: string;
  readonly reload: string;
  /** Prints how many rules of ours are in its way. */
  readonly count: string;
  readonly counted: string;
};

const firewalls: Readonly<Record<string, Firewall>> = {
  firewalld: {
    packages: 'firewalld dbus',
    begin: `
mkdir -p /run/dbus && dbus-daemon --system --fork && (firewalld --nofork >/tmp/firewalld.log 2>&1 &)
for i in $(seq 120); do firewall-cmd --state >/dev/null 2>&1 && break; sleep 1; done
firewall-cmd --state || { cat /tmp/firewalld.log; exit 1; }`,
    reload: 'firewall-cmd --reload',
    count: "nft list chain inet firewalld filter_FORWARD | grep -c 'gantry: packets'",
    counted: '2',
  },
  // With its defaults: nothing comes in, nothing is forwarded.
  ufw: {
    packages: 'ufw iptables',
    begin: 'ufw --force enable || exit 1; iptables -S FORWARD | head -n 1',
    reload: 'ufw reload',
    count: "iptables -S FORWARD | grep -c 'gantry: packets'",
    counted: '2',
  },
};

const scriptFor = ({ packages, begin, reload, count }: Firewall): string => `
export DEBIAN_FRONTEND=noninteractive DOCKER_HOST=unix:///tmp/gantry.sock
apt-get update -qq && apt-get install -y -qq --no-install-recommends ${packages} >/dev/null || exit 1
${begin}
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
${reload}
look reloaded
echo "rules: $(${count})"
`;

for (const [name, firewall] of Object.entries(firewalls)) {
  test(`beside ${name} containers reach the outside and are reached, also after its reload`, { skip }, async () => {
    const { code, output } = await runInVm(scriptFor(firewall), ['--nic', '--timeout', '900']);
    assert.equal(code, 0, output);
    for (const when of ['before', 'reloaded']) {
      assert.match(output, new RegExp(`^${when} out: beside$`, 'm'), output);
      assert.match(output, new RegExp(`^${when} in: web$`, 'm'), output);
    }
    assert.match(output, new RegExp(`^rules: ${firewall.counted}$`, 'm'), output);
  });
}

test('where iptables-legacy drops, the log says so, with the commands that help', {
  skip: vmSkip(),
}, async () => {
  const script = `
export DOCKER_HOST=unix:///tmp/gantry.sock GANTRY_HOST=unix:///tmp/gantry.sock
${testInVm(['packages/linux/src/legacy-tables.test.ts'])} || exit 1
iptables-legacy -P FORWARD DROP
ip netns add beside && ip link add wan type veth peer name lan netns beside
ip addr add 198.51.100.1/24 dev wan && ip link set wan up
ip -n beside addr add 198.51.100.2/24 dev lan && ip -n beside link set lan up && ip -n beside link set lo up
mkdir -p /tmp/root/bin /tmp/root/www && echo web >/tmp/root/www/name && cp /usr/bin/busybox /tmp/root/bin/busybox
tar -C /tmp/root -cf /tmp/image.tar .
./gantry daemon --host $DOCKER_HOST --data-root /scratch/data --exec-root /tmp/run --pidfile /tmp/pid >/tmp/log 2>&1 &
until docker version >/dev/null 2>&1; do [ -d /proc/$! ] || { cat /tmp/log; exit 1; }; done
docker import /tmp/image.tar image >/dev/null
docker run -d --name web -p 8080:80 image /bin/busybox httpd -f -p 80 -h /www >/dev/null || exit 1
ask() { echo "$1: $(printf 'GET /name HTTP/1.0\\r\\n\\r\\n' | ip netns exec beside busybox nc -w 5 198.51.100.1 8080 | tail -n 1)"; }
ask before
grep -o 'iptables-legacy -I FORWARD -[io] gantry0 -j ACCEPT' /tmp/log | sort -u >/tmp/commands
echo "commands: $(wc -l </tmp/commands)"
sh /tmp/commands
ask after
`;
  const { code, output } = await runInVm(script, ['--timeout', '900']);
  assert.equal(code, 0, output);
  assert.match(output, /^before: $/m, output);
  assert.match(output, /^commands: 2$/m, output);
  assert.match(output, /^after: web$/m, output);
  assert.equal(output.match(/^ok .* - in a network namespace of its own$/gm)?.length, 1, output);
});
