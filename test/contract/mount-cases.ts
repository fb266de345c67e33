/** A command line of `docker run`, and what it needs. `@` stands for the name of the test, `#` for its folder on the host. */
export type MountCase = {
  /** Flags of `docker run`. */
  readonly flags: readonly string[];
  /** Command lines of `docker` that come first. */
  readonly before?: readonly (readonly string[])[];
  /** Run inside; by default what is mounted. */
  readonly script?: string;
  /** Fields of Mounts that differ on purpose. */
  readonly ignore?: readonly string[];
  /** The text of the error differs on purpose. */
  readonly ignoreText?: true;
};

const local = (...options: string[]): readonly string[] => [
  ...['volume', 'create'],
  ...options.flatMap(option => ['--opt', option]),
  '@v',
];

/** The command lines that both engines must take, or refuse, alike. */
export const mountCases: readonly MountCase[] = [
  // -v: volumes
  { flags: ['-v', '/data'] },
  { flags: ['-v', '@v:/data'] },
  { flags: ['-v', '@v:/data:ro'] },
  { flags: ['-v', '@v:/data:nocopy'] },
  { flags: ['-v', '@v:/data:ro,z,nocopy'] },
  { flags: ['-v', '@v:/etc'], script: 'ls /etc; cat /etc/passwd' },
  { flags: ['-v', '@v:/etc:nocopy'], script: 'ls /etc' },
  { flags: ['-v', '@v:/etc/group'], ignoreText: true },
  { flags: ['-v', '@v:/a/../data/'] },
  { flags: ['-v', '@v:/data:rshared'] },
  { flags: ['-v', '@v:/'] },
  { flags: ['-v', '@v:data'] },
  { flags: ['-v', '@v:/data:bad'] },
  { flags: ['-v', '@v:/data:ro,rw'] },
  { flags: ['-v', 'a/b:/data'] },
  { flags: ['-v', '@v:/data', '-v', '@v2:/data'] },
  { flags: ['-v', '@v:/data', '-v', '@v:/other'] },
  { flags: ['-v', '@v:/data', '--tmpfs', '/data'] },
  { flags: ['-v', '@v:/data', '--volume-driver', 'nosuchdriver', '--pull', 'never'] },
  { flags: ['-v', '/data', '--volume-driver', 'nosuchdriver', '--pull', 'never'] },
  { flags: ['--volume-driver', 'local', '-v', '/data'] },
  // -v: binds
  { flags: ['-v', '#/d:/data'] },
  { flags: ['-v', '#/d:/data:ro'], script: 'cat /proc/mounts; ls /data; touch /data/x' },
  { flags: ['-v', '#/d:/data:z'] },
  { flags: ['-v', '#/d:/data:ro,Z,cached'] },
  { flags: ['-v', '#/d:/data:private'] },
  { flags: ['-v', '#/d:/data:rslave'] },
  { flags: ['-v', '#/d:/data:nocopy'] },
  { flags: ['-v', '#/d:/data:shared'], ignoreText: true },
  { flags: ['-v', '#/f:/data'] },
  { flags: ['-v', '#/f:/etc'], ignoreText: true },
  { flags: ['-v', '#/d:/etc/passwd'], ignoreText: true },
  { flags: ['-v', '#/missing:/data'], script: 'ls -ld /data | cut -c1-10' },
  { flags: ['-v', '#/f/below:/data'] },
  { flags: ['-v', '#/link:/data'], script: 'ls /data' },
  { flags: ['-v', '#/d:/data', '-v', '#/d2:/data/sub'], script: 'ls -R /data' },
  { flags: ['-v', '#/d2:/data/sub', '-v', '#/d:/data'], script: 'ls -R /data' },
  {
    flags: ['-v', '#/d:/data', '--read-only', '--tmpfs', '/run'],
    script: 'touch /x; touch /run/x && touch /data/touched && echo ok',
  },
  { flags: ['-v', '#/d/../d:/data'] },
  { flags: ['-v', '#/d:/proc'], ignoreText: true },
  { flags: ['-v', '#/d:/dev/mine'] },
  { flags: ['-v', '#/d:/var/tmp/link/../x'] },
  { flags: ['-v', '#/with space:/data'], script: 'ls /data' },
  { flags: ['-v', '#/d:/with space'], script: 'ls "/with space"' },
  { flags: ['-v', '/:/host:ro'], script: 'test -d /host/usr && ! touch /host/x 2>/dev/null && echo ok' },
  { flags: ['-v', '#/d:/data:ro', '-v', '#/d2:/data/sub'], script: 'ls /data', ignoreText: true },
  // --mount
  { flags: ['--mount', 'type=volume,dst=/data'] },
  { flags: ['--mount', 'source=@v,target=/data,readonly'] },
  { flags: ['--mount', 'type=volume,src=@v,dst=/etc,volume-nocopy'], script: 'ls /etc' },
  {
    flags: [
      '--mount',
      'type=volume,src=@v,dst=/data,volume-label=a=b,volume-opt=type=tmpfs,volume-opt=device=tmpfs,volume-opt=o=size=1m',
    ],
  },
  { flags: ['--mount', 'type=volume,dst=/data,ro'] },
  { flags: ['--mount', 'type=volume,dst=/data,volume-subpath=x'] },
  { flags: ['--mount', 'type=volume,src=@v,dst=/data,volume-subpath=../x'] },
  { flags: ['--mount', 'type=volume,src=@v,dst=/data,volume-subpath=missing'] },
  {
    before: [
      [
        'run',
        '--rm',
        '-v',
        '@v:/v',
        'busybox',
        'sh',
        '-c',
        'mkdir -p /v/s/t; echo x >/v/s/f; ln -s /etc /v/out; ln -s s /v/in',
      ],
    ],
    flags: ['--mount', 'type=volume,src=@v,dst=/data,volume-subpath=s'],
    script: 'ls /data; cat /data/f',
  },
  {
    before: [
      [
        'run',
        '--rm',
        '-v',
        '@v:/v',
        'busybox',
        'sh',
        '-c',
        'mkdir -p /v/s/t; echo x >/v/s/f; ln -s /etc /v/out; ln -s s /v/in',
      ],
    ],
    flags: ['--mount', 'type=volume,src=@v,dst=/data,volume-subpath=in'],
    script: 'ls /data',
  },
  {
    before: [
      ['run', '--rm', '-v', '@v:/v', 'busybox', 'sh', '-c', 'mkdir -p /v/s/t; echo x >/v/s/f; ln -s /etc /v/out'],
    ],
    flags: ['--mount', 'type=volume,src=@v,dst=/data/f,volume-subpath=s/f'],
    script: 'cat /data/f',
  },
  { flags: ['--mount', 'type=bind,src=#/d,dst=/data'] },
  { flags: ['--mount', 'type=bind,src=#/d,dst=/data,readonly'] },
  { flags: ['--mount', 'type=bind,src=#/d,dst=/data,bind-propagation=rslave'] },
  { flags: ['--mount', 'type=bind,src=#/d,dst=/data,bind-propagation=odd'] },
  { flags: ['--mount', 'type=bind,src=#/d,dst=/data,bind-recursive=disabled'] },
  { flags: ['--mount', 'type=bind,src=#/d,dst=/data,bind-recursive=enabled'] },
  { flags: ['--mount', 'type=bind,src=#/d,dst=/data,bind-recursive=writable'] },
  { flags: ['--mount', 'type=bind,src=#/d,dst=/data,readonly,bind-recursive=writable'] },
  { flags: ['--mount', 'type=bind,src=#/d,dst=/data,readonly,bind-recursive=readonly,bind-propagation=rprivate'] },
  { flags: ['--mount', 'type=bind,src=#/missing,dst=/data'] },
  { flags: ['--mount', 'type=bind,src=#/missing,dst=/data,bind-create-src'], script: 'ls -ld /data | cut -c1-10' },
  { flags: ['--mount', 'type=bind,src=relative,dst=/data'] },
  { flags: ['--mount', 'type=bind,src=#/d,dst=data'] },
  { flags: ['--mount', 'type=bind,src=#/d,dst=/'] },
  { flags: ['--mount', 'type=bind,dst=/data'] },
  { flags: ['--mount', 'type=bind,src=#/d,dst=/data,consistency=cached'] },
  { flags: ['--mount', 'type=bind,src=#/d,dst=/data', '-v', '#/d2:/data'] },
  { flags: ['--mount', 'type=bind,src=#/f,dst=/etc/new/file'], script: 'cat /etc/new/file' },
  { flags: ['--mount', 'type=tmpfs,dst=/data'] },
  {
    flags: ['--mount', 'type=tmpfs,dst=/data,tmpfs-size=1m,tmpfs-mode=1770'],
    script: 'cat /proc/mounts; ls -ld /data | cut -c1-10',
  },
  { flags: ['--mount', 'type=tmpfs,dst=/data,readonly'] },
  { flags: ['--mount', 'type=tmpfs,src=x,dst=/data'] },
  { flags: ['--mount', 'type=tmpfs,dst=/data,tmpfs-size=10000'] },
  { flags: ['--mount', 'type=npipe,src=x,dst=/data'] },
  { flags: ['--mount', 'type=cluster,src=x,dst=/data'] },
  { flags: ['--mount', 'type=odd,src=x,dst=/data'] },
  { flags: ['--tmpfs', '/data'] },
  {
    flags: ['--tmpfs', '/data:rw,size=64k,mode=700,uid=3,exec,suid'],
    script: 'cat /proc/mounts; ls -ldn /data | cut -c1-30',
  },
  { flags: ['--tmpfs', '/data:odd'] },
  { flags: ['--tmpfs', '/data:size=nonsense'], ignoreText: true },
  { flags: ['--tmpfs', 'data'] },
  { flags: ['--tmpfs', '/'] },
  { flags: ['--tmpfs', '/data', '--mount', 'type=tmpfs,dst=/data'] },
  { flags: ['--tmpfs', '/dev/shm'] },
  { flags: ['--tmpfs', '/etc'], script: 'ls /etc; cat /proc/mounts' },
  { flags: ['-v', '@v:/dev/shm'] },
  // image mounts
  { flags: ['--mount', 'type=image,src=busybox,dst=/data'], script: 'ls /data; touch /data/x', ignore: ['Source'] },
  { flags: ['--mount', 'type=image,src=busybox,dst=/data,image-subpath=etc'], script: 'ls /data', ignore: ['Source'] },
  {
    flags: ['--mount', 'type=image,src=busybox,dst=/data,image-subpath=missing'],
    ignore: ['Source'],
    ignoreText: true,
  },
  { flags: ['--mount', 'type=image,src=busybox,dst=/data,image-subpath=../x'] },
  { flags: ['--mount', 'type=image,dst=/data'] },
  // volumes with driver options
  { before: [local('type=tmpfs', 'device=tmpfs', 'o=size=1m,uid=5')], flags: ['-v', '@v:/data'] },
  { before: [local('type=tmpfs', 'device=tmpfs', 'o=size=1m,mode=0700')], flags: ['-v', '@v:/data:ro'] },
  { before: [local('type=tmpfs', 'device=tmpfs', 'o=noexec,nosuid,ro')], flags: ['-v', '@v:/data'] },
  { before: [local('type=tmpfs', 'device=tmpfs')], flags: ['-v', '@v:/etc'], script: 'ls /etc; cat /proc/mounts' },
  {
    before: [local('type=none', 'o=bind', 'device=#/d')],
    flags: ['-v', '@v:/data'],
    script: 'ls /data; cat /proc/mounts',
  },
  {
    before: [local('type=none', 'o=bind,ro', 'device=#/d')],
    flags: ['-v', '@v:/data'],
    script: 'ls /data; touch /data/x; cat /proc/mounts',
  },
  { before: [local('type=none', 'o=bind', 'device=#/missing')], flags: ['-v', '@v:/data'] },
  { before: [local('type=ext4', 'device=/dev/nosuchdevice')], flags: ['-v', '@v:/data'] },
  { before: [local('type=oddfs', 'device=x')], flags: ['-v', '@v:/data'] },
  { before: [local('type=tmpfs', 'device=tmpfs', 'o=odd=1')], flags: ['-v', '@v:/data'] },
  {
    before: [local('type=overlay', 'device=overlay', 'o=lowerdir=#/d:#/d2')],
    flags: ['-v', '@v:/data'],
    script: 'ls /data',
  },
  {
    before: [local('type=nfs', 'o=addr=127.0.0.1,rw,port=1', 'device=:/x')],
    flags: ['-v', '@v:/data'],
    ignoreText: true,
  },
  { before: [local('type=tmpfs')], flags: ['-v', '@v:/data'] },
  { before: [local('device=x')], flags: ['-v', '@v:/data'] },
  { before: [local('o=bind')], flags: ['-v', '@v:/data'] },
  { before: [local('odd=1')], flags: ['-v', '@v:/data'] },
  { before: [local('size=1m')], flags: ['-v', '@v:/data'] },
  { before: [local('type=tmpfs', 'device=tmpfs', 'size=nonsense')], flags: ['-v', '@v:/data'] },
  // --volumes-from
  {
    before: [
      [
        'create',
        '--name',
        '@-other',
        '-v',
        '@v:/data',
        '-v',
        '#/d:/bound:ro',
        '-v',
        '/anon',
        '--tmpfs',
        '/t',
        'busybox',
      ],
    ],
    flags: ['--volumes-from', '@-other'],
  },
  {
    before: [['create', '--name', '@-other', '-v', '@v:/data', '-v', '#/d:/bound', 'busybox', 'true']],
    flags: ['--volumes-from', '@-other:ro'],
  },
  {
    before: [['create', '--name', '@-other', '-v', '@v:/data', 'busybox', 'true']],
    flags: ['--volumes-from', '@-other:z', '-v', '@v2:/data'],
  },
  {
    before: [['create', '--name', '@-other', '-v', '@v:/data:ro', 'busybox', 'true']],
    flags: ['--volumes-from', '@-other:rw'],
  },
  {
    before: [['create', '--name', '@-other', '-v', '@v:/data', 'busybox', 'true']],
    flags: ['--volumes-from', '@-other:odd'],
  },
  { flags: ['--volumes-from', 'nosuchcontainer'] },
  {
    before: [['create', '--name', '@-other', '--mount', 'type=image,src=busybox,dst=/i', 'busybox', 'true']],
    flags: ['--volumes-from', '@-other'],
    ignore: ['Source'],
    script: 'ls /i',
  },
];
