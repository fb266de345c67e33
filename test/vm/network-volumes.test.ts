/** Volumes on an NFS server, on the kernel of Debian 12 in the virtual machine; the server's tools come from Debian. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { runInVm, vmSkip } from '../harness/vm.ts';

const skip =
  vmSkip() ||
  (process.env.GANTRY_TEST_VM_SERVERS !== '1' &&
    'this machine lacks GANTRY_TEST_VM_SERVERS=1 (minutes, and packages from Debian)');

/** The server is the kernel's own, with version 4 alone, which needs no port mapper. */
const SERVER = `
modprobe -a nfsd nfs nfsv4 cifs || exit 1
export DEBIAN_FRONTEND=noninteractive
printf '#!/bin/sh\\nexit 101\\n' >/usr/sbin/policy-rc.d && chmod +x /usr/sbin/policy-rc.d
apt-get update -qq && apt-get install -y -qq --no-install-recommends nfs-kernel-server >/dev/null || exit 1
echo '127.0.0.1 files.example' >>/etc/hosts
mkdir -p /srv/nfs/sub && echo from-nfs >/srv/nfs/file && echo below >/srv/nfs/sub/file
echo '/srv/nfs 127.0.0.1(rw,fsid=0,insecure,no_root_squash,no_subtree_check)' >/etc/exports
mountpoint -q /proc/fs/nfsd || mount -t nfsd nfsd /proc/fs/nfsd
mkdir -p /var/lib/nfs/rpc_pipefs && exportfs -ra
rpc.nfsd --no-nfs-version 3 --grace-time 10 --lease-time 10 2 && rpc.mountd --no-nfs-version 3 --no-nfs-version 2
`;

const SCRIPT = `${SERVER}
export DOCKER_HOST=unix:///tmp/gantry.sock
mkdir -p /tmp/root/bin && cp /usr/bin/busybox /tmp/root/bin/busybox && tar -C /tmp/root -cf /tmp/image.tar .
./gantry daemon --host $DOCKER_HOST --data-root /scratch/data --exec-root /tmp/run --pidfile /tmp/pid >/tmp/log 2>&1 &
until docker version >/dev/null 2>&1; do [ -d /proc/$! ] || { cat /tmp/log; exit 1; }; done
docker import /tmp/image.tar image >/dev/null
volume() { name=$1 type=$2 o=$3; docker volume create -o type=$type -o o=$o -o device=$4 $name >/dev/null; }
inside() { volume=$1; shift; docker run --rm -v $volume:/data image /bin/busybox "$@" 2>&1 | grep -v -e '^$' -e "docker run --help" | sed "s/^/$volume: /"; }
volume nfs nfs addr=files.example,rw,vers=4 :/
volume sub nfs addr=127.0.0.1,ro,vers=4 :/sub
volume smb cifs username=user,password=secret //files.example/files
inside nfs sh -c 'busybox cat /data/file; echo written >/data/new; busybox grep /data /proc/mounts'
inside sub sh -c 'busybox cat /data/file; echo no >/data/new'
echo "served: $(cat /srv/nfs/new)"
volume nowhere nfs addr=nosuch.invalid,vers=4 :/
volume missing nfs addr=files.example,vers=4 :/missing
volume silent nfs addr=127.0.0.1,vers=4,port=9,retrans=1,timeo=10,soft :/
for one in nowhere missing silent smb; do inside $one true; done
echo "mounted: $(grep -c -e ' nfs4 ' -e ' cifs ' /proc/mounts)"
docker run -d --name user -v nfs:/data image /bin/busybox sleep 1000 >/dev/null
kill -9 $(cat /tmp/pid) && wait
./gantry daemon --host $DOCKER_HOST --data-root /scratch/data --exec-root /tmp/run --pidfile /tmp/pid >/tmp/log 2>&1 &
until docker version >/dev/null 2>&1; do [ -d /proc/$! ] || { cat /tmp/log; exit 1; }; done
docker exec user /bin/busybox cat /data/file | sed 's/^/adopted: /'
docker rm -f user >/dev/null
docker volume rm nfs sub >/dev/null && echo "left: $(grep -c -e ' nfs4 ' -e ' cifs ' /proc/mounts)"
echo "kept: $(cat /srv/nfs/file)"
`;

test('volumes on NFS are found by the name of their server, read, written, taken over, and unmounted', {
  skip,
}, async () => {
  const { code, output } = await runInVm(SCRIPT, ['--nic', '--timeout', '1400']);
  assert.equal(code, 0, output);
  const said = (line: string | RegExp): void =>
    assert.match(output, line instanceof RegExp ? line : new RegExp(`^${line}$`, 'm'), output);
  said('nfs: from-nfs');
  said(/^nfs: \S+ \/data nfs4 rw,.*addr=127\.0\.0\.1/m);
  said('sub: below');
  said(/^sub: .*can't create \/data\/new: Read-only file system$/m);
  said('served: written');
  said('mounted: 0');
  said('adopted: from-nfs');
  said('left: 0');
  said('kept: from-nfs');
  const data = (name: string): string => `/scratch/data/volumes/${name}/_data`;
  const refused = (name: string, why: string): void => {
    const text = `${name}: docker: Error response from daemon: error while mounting volume '${data(name)}': ${why}`;
    assert.ok(output.split('\n').includes(text), `${text}\nis not in\n${output}`);
  };
  const mounting = (name: string, device: string, o: string): string =>
    `failed to mount local volume: mount ${device}:${data(name)}, data: ${o}`;
  refused('nowhere', 'error resolving passed in network volume address: lookup nosuch.invalid: no such host');
  refused('missing', `${mounting('missing', ':/missing', 'addr=127.0.0.1,vers=4')}: no such file or directory`);
  // Nobody listens there, at the address that was looked up.
  refused('smb', `${mounting('smb', '//127.0.0.1/files', 'username=user,password=********')}: connection refused`);
  const silent = 'addr=127.0.0.1,vers=4,port=9,retrans=1,timeo=10,soft';
  refused('silent', `${mounting('silent', ':/', silent)}: connection refused`);
});
