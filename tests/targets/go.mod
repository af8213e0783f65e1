module gotrace-leak.test/targets

go 1.15
