# Perl: data structures, regular expressions, sorting, closures, processes, files.
use strict; use warnings; use List::Util qw(sum reduce first shuffle); use POSIX qw(floor fmod strftime); use Data::Dumper; use Digest::MD5 qw(md5_hex); use MIME::Base64; use Time::Local; use Storable qw(dclone); use Encode;
my %count; $count{$_ % 7}++ for map { $_ * $_ } 1 .. 3000; print "$_=$count{$_} " for sort keys %count; print "\n";
my @sorted = sort { $b <=> $a || $a cmp $b } map { ($_ * 7919) % 1009 } 1 .. 500; print "@sorted[0..9] ", sum(@sorted), "\n";
my $text = join ' ', map { "word$_" } 1 .. 200; (my $copy = $text) =~ s/(\w+?)(\d+)/$2$1/g; print substr($copy, 0, 40), ' ', md5_hex($copy), "\n";
my @pairs = $text =~ /word(\d)(\d)\b/g; print scalar(@pairs), "\n"; print "nested: $1 $2\n" if 'f(a(b)c)d' =~ /(\((?:[^()]++|(?1))*\))(.)/;
my @counters = map { my $n = $_; sub { $n += shift // 1 } } 1 .. 3; $_->(10) for @counters; print join(',', map { $_->() } @counters), "\n";
$Data::Dumper::Sortkeys = 1; $Data::Dumper::Indent = 1; print Dumper({ list => [1, 'two', 3.5], map => { a => undef, b => \'ref' } });
package Shape { sub new { my ($class, %with) = @_; bless {%with}, $class } sub area { 0 } sub describe { my $self = shift; ref($self) . sprintf(' %.3f', $self->area) } }
package Circle { our @ISA = ('Shape'); sub area { 3.14159265358979 * $_[0]{r} ** 2 } } package Square { our @ISA = ('Shape'); sub area { $_[0]{side} ** 2 } }
package main; print $_->describe, "\n" for Circle->new(r => 2), Square->new(side => 3);
eval { die { code => 42 } }; print "caught $@->{code}\n"; eval { my $x = 1 / ($text eq '' ? 1 : 0) }; print $@ =~ /division by zero/ ? "division\n" : "none\n"; local $SIG{ALRM} = sub { die "alarm\n" }; eval { alarm 1; select undef, undef, undef, 5; alarm 0 }; print $@;
printf "%.15g %.15g %.15g %d %e %s\n", exp(1), atan2(1, 1) * 4, sqrt(2), floor(-2.5), 123456.789, 0.1 + 0.2; print 2 ** 53 + 1, ' ', 9223372036854775807, ' ', 18446744073709551615, ' ', -7 % 3, ' ', int(-3.7), ' ', 1e308 * 10, "\n";
my $pid = fork; if (!$pid) { exit 7 } waitpid $pid, 0; print 'child ', $? >> 8, "\n"; pipe my $r, my $w; if (!fork) { close $r; print $w "through the pipe\n" x 3; exit } close $w; print while <$r>; wait; print `echo from the shell`; open my $p, '-|', 'sort', '-r', $0 or die; my @lines = <$p>; print scalar(@lines) > 5 ? "sorted\n" : "few\n"; close $p;
$SIG{USR1} = sub { print "usr1\n" }; kill USR1 => $$; open my $f, '>', 'file' or die; print $f "$_\n" for 1 .. 1000; close $f; open $f, '<', 'file'; my $sum = 0; $sum += $_ while <$f>; print "$sum ", -s 'file', "\n"; seek $f, 10, 0; read $f, my $bytes, 6; print unpack('H*', $bytes), "\n"; unlink 'file'; print -e 'file' ? "there\n" : "gone\n";
print strftime('%Y-%m-%d', gmtime 86400 * 365), ' ', timegm(0, 0, 0, 1, 0, 100), ' ', encode_base64('bytes'), pack('NnCa3', 1, 2, 3, 'abc') =~ tr/\0//, ' ', join(',', unpack('(A2)*', 'aabbcc')), "\n"; my $deep = dclone({ a => [1 .. 5] }); push @{ $deep->{a} }, 6; print "@{$deep->{a}}\n"; print length(decode('UTF-8', "\xc3\xa4\xe2\x82\xac")), "\n";
sub fib { my $n = shift; $n < 2 ? $n : fib($n - 1) + fib($n - 2) } print fib(17), "\n"; my @sieve = (1) x 20000; for my $i (2 .. 141) { next unless $sieve[$i]; for (my $j = $i * $i; $j < 20000; $j += $i) { $sieve[$j] = 0 } } print sum(@sieve) - 2, "\n"; print reduce { $a * $b } 1 .. 15; print "\n"; my $s = ''; $s .= chr(97 + $_ % 26) for 0 .. 50000; print md5_hex(scalar reverse $s), ' ', ($s =~ tr/a//), "\n"; print join(' ', map { sprintf '%s', $_ } sort { lc $a cmp lc $b } qw(b A c D)), "\n"; print "$1\n" while 'k1=v1;k2=v2' =~ /(\w+)=/g; format STDOUT =
@<<<<< @>>>>> @##.##
'left', 'right', 3.14159
.
write;
